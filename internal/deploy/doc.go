// Package deploy holds Dockerfile, docker-compose.yml and deploy/ to the code: that they parse, that what they say of
// users, secrets, ports and health is so, that every flag they give is one the program has, and that the program
// really runs with them, on a ClickHouse and an Apache Kafka that are configured by the same files. It owns those checks
// and no code of the program; like internal/app it may see every package, and none may see it.
//
// What it cannot hold is that an image builds and a container starts: that needs a container engine.
package deploy
