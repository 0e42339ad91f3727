#!/bin/sh
# Boots systemd as PID 1 of private namespaces around an installation of the tracker.
#   systemd_boot.sh ROOT INSTALLED SITE_PACKAGES LOGS [SOURCE]
# ROOT: an empty directory, becomes a tmpfs. INSTALLED: what `make install DESTDIR=` made.
# SITE_PACKAGES: libraries for /usr/bin/python3, or empty: no tracker is installed yet.
# LOGS: a directory that the test reads. SOURCE: a copy for /usr/local/src/tracker.
# Nothing of the host can be written but LOGS; everything is gone with PID 1.
set -e
R=$1 INSTALLED=$2 SITE=$3 LOGS=$4 SOURCE=$5
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$R"
for d in usr etc opt var run tmp proc sys dev root home log; do mkdir -p "$R/$d"; done
mount --bind -o ro /usr "$R/usr"
for l in bin sbin lib lib64; do [ -L "/$l" ] && ln -s "usr/$l" "$R/$l"; done
cp -a /etc/passwd /etc/group /etc/nsswitch.conf /etc/ld.so.cache "$R/etc/"
echo 0123456789abcdef0123456789abcdef > "$R/etc/machine-id"
cp -a "$INSTALLED/." "$R/"
if [ -n "$SITE" ]; then
  V="$R/opt/tracker/.venv"
  /usr/bin/python3 -m venv --without-pip "$V"
  mount --bind -o ro "$SITE" "$V/lib/python3.11/site-packages"
fi
TARGET=console
if [ -n "$SOURCE" ]; then
  TARGET=journal
  mount -t tmpfs tmpfs "$R/usr/local/src"
  cp -a "$SOURCE" "$R/usr/local/src/tracker"
fi
mount --bind "$LOGS" "$R/log"
mount -t proc proc "$R/proc"
mount -t sysfs sys "$R/sys"
mount --rbind /dev "$R/dev"
mount -t cgroup2 none "$R/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$R/run"
mount -t tmpfs -o mode=1777 tmpfs "$R/tmp"
cd "$R"
mkdir old
pivot_root . old
umount -l /old
# As it is on a host: systemd hands credentials to services by a mount that must spread.
mount --make-rshared /
echo $$ > /log/booted
exec env -i container=lxc PATH=/usr/bin:/usr/sbin \
  /lib/systemd/systemd --system --unit=basic.target "--log-target=$TARGET" >> /log/systemd 2>&1
