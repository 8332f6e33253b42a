# A program that reads image references as Docker does.
build "$here/reference" reference
known DOCKER_REFERENCE "$bin/reference"
