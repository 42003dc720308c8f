"""The families of faults that come with edge-lab. `edge_lab.faults.catalog` lists them."""
