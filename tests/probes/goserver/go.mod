module edge-lab.test/goserver

go 1.21
