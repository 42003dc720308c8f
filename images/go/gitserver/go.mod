module edge-lab/images/gitserver

go 1.25.0
