# A controller with Ansible and the collection's tarball, and a server that a playbook has set up.
case $1 in
desk)
    ansible=@ANSIBLE@
    for command in "$ansible"/bin/ansible-*; do
        ln -sf "$command" /usr/local/bin/
    done
    export LC_ALL=C.UTF-8
    "$ansible/bin/ansible-galaxy" collection build @REPOSITORY@/ansible --output-path /root
    echo 'export LC_ALL=C.UTF-8' >>/root/.bashrc
    ;;
web1)
    mkdir -p /srv/shop
    for program in queue mail; do
        cat >/etc/supervisor/conf.d/$program.conf <<END
# Ansible managed
[program:$program]
command = /bin/sleep 1000
directory = /srv/shop
user = www-data
autostart = yes
autorestart = yes
environment = APP_ENV="production",DB_PASSWORD="correct horse"
stdout_logfile = /var/log/supervisor/$program.log
redirect_stderr = yes
END
    done
    supervisorctl update
    ;;
esac
