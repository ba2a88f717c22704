# A site with a worker, applied from the desk, where DeployerPHP and git are installed.
if [ "$1" = web1 ]; then
    exit 0
fi
git config --global user.name Ada
git config --global user.email ada@example.com
mkdir -p /root/vendor/loadinglucian/deployer-php/playbooks
cp /step/playbooks/* /root/vendor/loadinglucian/deployer-php/playbooks/
cat >/root/deployer.yml <<'END'
servers:
  - {name: web1, host: web1.example.com}
sites:
  - domain: shop.example.com
    server: web1
    user: www-data
    supervisors:
      - {program: worker, command: sleep 1000, directory: /, numprocs: 2}
END
