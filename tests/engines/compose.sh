# Docker Compose, the program that transship compares itself with: by itself, and as a plugin of the Docker client.
version=$(awk '$1 == "github.com/docker/compose/v5" {print $2; exit}' "$here/compose/go.mod")
build "$here/compose" docker-compose "-X github.com/docker/compose/v5/internal.Version=$version" github.com/docker/compose/v5/cmd
mkdir -p "$run/docker-configuration/cli-plugins"
ln -sfn "$bin/docker-compose" "$run/docker-configuration/cli-plugins/docker-compose"
known DOCKER_COMPOSE "$bin/docker-compose"
known DOCKER_CONFIG_DIRECTORY "$run/docker-configuration"
