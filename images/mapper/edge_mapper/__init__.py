"""The device mapper of an edge node: between industrial devices and their twins in the cluster.

It reads the properties of each Device (devices.kubeedge.io/v1beta1) that names its node,
reports what it has read, and writes what is desired.  It runs in a guest on Debian's own
Python, so it uses the standard library and what zipapp and root disk bring: pymodbus,
asyncua, grpcio.  Libraries are imported only where they are needed.
"""

VERSION = "0.1.0"
