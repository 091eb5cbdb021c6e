# Two images: the last stage, a server that is given ClickHouse and Kafka by address; and --target embedded, which has both
# in it, and the events of the demo. docs/how-to/run-in-containers.md says how they are used.

FROM node:22.21.1-bookworm-slim AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --no-audit --no-fund
COPY web/ ./
RUN npm run build

FROM golang:1.26.6-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
COPY --from=web /src/web/dist web/dist
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/rollcall .

# The library of the embedded ClickHouse and the demo's events, checked against pinned sums.
FROM node:22.21.1-bookworm-slim AS library
WORKDIR /src
COPY scripts/cache.sh scripts/fetch.sh scripts/
RUN scripts/fetch.sh /out/lib

# The program loads glibc when it starts, so it needs more than an empty image.
FROM debian:12.11-slim AS base
RUN groupadd --gid 65532 rollcall \
 && useradd --uid 65532 --gid 65532 --no-create-home --home-dir /var/lib/rollcall --shell /usr/sbin/nologin rollcall \
 && install --directory --owner=rollcall --group=rollcall --mode=0700 /var/lib/rollcall
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/rollcall /usr/local/bin/rollcall
ENV ROLLCALL_DATA=/var/lib/rollcall
WORKDIR /var/lib/rollcall
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["/usr/local/bin/rollcall", "health"]
ENTRYPOINT ["/usr/local/bin/rollcall"]
CMD ["serve"]

FROM base AS embedded
COPY --from=library /out/lib /usr/local/bin/lib

FROM base AS server
