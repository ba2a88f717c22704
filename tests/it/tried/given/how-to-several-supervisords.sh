useradd --home-dir /srv/shop --create-home shop
