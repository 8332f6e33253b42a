module transship.dev/engines/images/pause

go 1.26
