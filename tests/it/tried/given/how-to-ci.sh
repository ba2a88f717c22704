# A repository with an inventory, as a runner has it. `gh` stands in for GitHub's.
[ "$1" = desk ] || exit 0
cat >/root/deployer.yml <<'END'
name: shop
servers:
  - {name: web1, host: web1.example.com}
sites:
  - domain: shop.example.com
    server: web1
    user: www-data
    supervisors:
      - {program: worker, command: sleep 1000, directory: /, numprocs: 2}
END
cat >/usr/local/bin/gh <<'END'
#!/bin/sh
set -eu
[ "$*" = "pr comment 7 --edit-last --create-if-none --body-file plan.md" ]
grep -q '^<details>' plan.md
END
chmod 755 /usr/local/bin/gh
echo 'export PR=7' >/etc/profile.d/ci.sh
