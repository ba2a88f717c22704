# What is split into words here is meant to be, and names in our own folder are digests.
# shellcheck shell=sh disable=SC2010,SC2046,SC2086
#
# What runs on a host before supervisor-sync does: finds the copy with the wanted digest, receives
# it if it is missing, and becomes it. Speaks in lines that begin with a mark, so that a
# login banner or a chatty .bashrc is passed over.
#
# It is sent as ONE line within single quotes, to whatever login shell the user has, which hands it
# to sh: so there is no single quote, no backslash and no exclamation mark in it, every statement
# ends in `;`, and whole-line comments are dropped (`bootstrap::command`).
#
# $1 the binaries that there are, each as SYSTEM-MACHINE=SHA-256, separated by commas: the wanted one is
# this machine's, or the first, where there is none; $2 the privilege: root, sudo, none or auto; then what the
# program is run with: `agent`, or by Ansible a verb that reads its inventory from stdin.
machine=$(uname -s)-$(uname -m); privilege=$2; uid=$(id -u);
digest=,$1; shift 2; case $digest, in *,"$machine"=*) digest=${digest##*,"$machine"=};; *) digest=${digest#*=};; esac; digest=${digest%%,*};
 user=${LOGNAME:-$(id -un)};
say() { echo; echo "@supervisor-sync $*"; };
fail() { say FAIL "$@"; exit 1; };
# Is the file the wanted one, to the last byte?
genuine() { [ -f "$1" ] && s=$(sha256sum < "$1") && [ "${s%% *}" = "$digest" ]; };
# What changes whenever the file does. Reading all of it takes most of the time of a short visit, so a
# file that was genuine is not read again until it is touched.
stamp() { stat -c "%i %s %z" "$1" 2> /dev/null; };
note() { { stamp "$1" > "${1%/*}/genuine"; } 2> /dev/null || :; };
known() { n=; read -r n 2> /dev/null < "${1%/*}/genuine"; [ -n "$n" ] && [ "$n" = "$(stamp "$1")" ]; };
# The same of an installed one. Beside it only root can write, so this is noted in a folder of our own. What
# has changed just now is not noted: the next change could have the same time.
remembered() { [ -n "$seen" ] || return 1; for d in "$@"; do n=; if mine "$d"; then read -r n 2> /dev/null < "$d/installed"; fi; if [ "$n" = "$seen" ]; then return 0; fi; done; return 1; };
remember() {
  c=$(stat -L -c "%Z" "$installed" 2> /dev/null);
  [ -n "$seen" ] && [ -n "$c" ] && [ "$((c + 2))" -lt "$(date +%s)" ] || return 0;
  for d in "$@"; do if made "$d"; then { echo "$seen" > "$d/installed"; } 2> /dev/null; return 0; fi; done;
};
# Does it run here? Another CPU or an older C library shows now.
runs() { "$1" --version < /dev/null > /dev/null 2>&1; };
# A folder of our own, no link to one, that nobody else can write to: root may come to run what lies
# in it. One look tells all of it, so that in /var/tmp nothing can be put in its place between two;
# what has passed is kept in place by the sticky bit.
mine() { set -- $(ls -ldn "$1" 2> /dev/null); case $1 in *+) return 1;; d????-??-?*) [ "$3" = "$uid" ];; *) return 1;; esac; };
made() { mkdir -p "${1%/*}" 2> /dev/null; mkdir -m 700 "$1" 2> /dev/null; mine "$1"; };
# Can programs be run from this folder? Not from a file system that is mounted noexec.
runnable() { p=$1/.probe.$$; { echo "exit 0" > "$p"; } 2> /dev/null && chmod 700 "$p" && "$p" > /dev/null 2>&1; e=$?; rm -f "$p"; return "$e"; };
# Takes the binary from stdin. Nothing has its real name before all of it is there. Its size comes first: 0 or
# nothing where there is none for this machine, and a comment of YAML where what follows is a request, by who cannot
# wait for an answer and comes again.
receive() {
  say NEED "$machine";
  read -r size || exit 1;
  case $size in "#"*) fail later "$machine";; ""|0) return 1;; esac;
  t=$place/.incoming.$$;
  words=$( { head -c "$size" > "$t"; } 2>&1 );
  if genuine "$t"; then :; else rm -f "$t"; fail write "$place:" ${words:-what arrived is damaged}; fi;
  words=$( { chmod 700 "$t" && mkdir -p "$place/$digest" && mv -f "$t" "$place/$digest/supervisor-sync"; } 2>&1 ) || fail write $words;
  ls -1t "$place" | grep -E "^[0-9a-f]{64}$" | tail -n +4 | while read -r old; do rm -rf "${place:?}/$old"; done;
  find "$place" -name ".incoming.*" -mmin +60 -exec rm -f {} + ;
  f=$place/$digest/supervisor-sync;
  note "$f";
  if runs "$f"; then found=$f; else unfit=$f; fi;
};
found=; unfit=; place=;
installed=$(command -v supervisor-sync);
case $installed in /*) ;; *) installed=;; esac;
# A function has arguments of its own: here the folders, in the order in which they are tried.
look() {
  set --;
  if [ -n "$HOME" ]; then set -- "$HOME/.cache/supervisor-sync"; fi;
  set -- "$@" "/var/tmp/supervisor-sync-$uid";
  if [ -n "$XDG_RUNTIME_DIR" ]; then set -- "$@" "$XDG_RUNTIME_DIR/supervisor-sync"; fi;
  command -v sha256sum > /dev/null || [ -n "$installed" ] || fail tools sha256sum;
  if [ -n "$installed" ]; then
    seen=$(stat -L -c "%d %i %s %y %z" "$installed" 2> /dev/null);
    if [ -n "$seen" ]; then seen="$digest $seen $installed"; fi;
    if remembered "$@" || { genuine "$installed" && remember "$@"; }; then
      if runs "$installed"; then found=$installed; fi;
    fi;
  fi;
  if [ -z "$found" ]; then
    for d in "$@"; do
      f=$d/$digest/supervisor-sync;
      if mine "$d" && { known "$f" || { genuine "$f" && note "$f"; }; }; then
        if runs "$f"; then found=$f; break; fi;
        if runnable "$d"; then unfit=$f; break; fi;
      fi;
    done;
  fi;
  if [ -z "$found$unfit" ]; then
    for d in "$@"; do if made "$d" && runnable "$d"; then place=$d; break; fi; done;
    if [ -n "$place" ]; then receive; elif [ -z "$installed" ]; then fail place "$@"; fi;
  fi;
  if [ -z "$found" ]; then
    if [ -n "$installed" ] && runs "$installed"; then found=$installed; else fail unfit "$machine"; fi;
  fi;
};
look;
may() { sudo -n -l -- "$@" < /dev/null > /dev/null 2>&1; };
case $privilege-$uid in
  root-[1-9]*) fail root "$user";;
  sudo-*|auto-[1-9]*)
    if [ -z "$installed" ] || [ "$installed" = "$found" ]; then :; elif may "$found" "$@"; then :; elif may "$installed" "$@"; then found=$installed; fi;
    say HAVE sudo "$user" "$found"; exec sudo -n -- "$found" "$@";;
  *) say HAVE direct "$user" "$found"; exec "$found" "$@";;
esac
