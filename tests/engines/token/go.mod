module transship.dev/engines/token

go 1.26
