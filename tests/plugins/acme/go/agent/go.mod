module example.org/acme/agent

go 1.25.0
