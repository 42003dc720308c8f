export PATH=/opt/edge-lab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin
