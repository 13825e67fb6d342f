#!/bin/busybox sh
# All that runs in a machine under power cuts: mounts the disk, makes a node where there is none, runs it.
# The kernel hands over NODE, ADDRESS, VERB, TOKEN and EAGER from its command line.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do
    insmod "/modules/$module"
done
ip link set lo up
ip address add "$ADDRESS/24" dev eth0
ip link set eth0 up
# Eager: what nobody synced goes to the disk soon, and is torn there; else it stays in memory, and is gone.
if [ "$EAGER" = 1 ]; then
    echo 20 >/proc/sys/vm/dirty_expire_centisecs
    echo 20 >/proc/sys/vm/dirty_writeback_centisecs
fi
echo "GUEST up after $(cut -d ' ' -f 1 /proc/uptime) s"
if ! mount -t ext4 /dev/vda /disk; then
    echo "GUEST cannot mount its disk"
    sleep 1000000
fi
if [ ! -f /disk/node/argosy.toml ]; then
    set -- --data /disk/node --name "$NODE" --peer "$ADDRESS:7401" --service-address "$ADDRESS" --admin "$ADDRESS:7443"
    if [ "$VERB" = join ]; then
        echo "$TOKEN" | argosy join "$@" --token-stdin
    else
        argosy init "$@" --sftp-port 7422
    fi
    mkdir -p /disk/files
    # What one did by hand once is on the disk before anything is judged.
    sync
    echo "GUEST authority"
    cat /disk/node/cluster/ca.crt
    echo "GUEST made"
fi
argosy serve --data /disk/node
echo "GUEST node ended with $?"
sleep 1000000
