# syntax=docker/dockerfile:1
# A static binary on an empty image, not root: docker build -t warder .
# The version of Go is go.mod's toolchain.
FROM golang:1.26.10 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
ARG COMMIT=unknown
RUN make build licences VERSION="$VERSION" COMMIT="$COMMIT" && mkdir -p /out/var/lib/warder && cp bin/warder bin/LICENCES.txt /out/

# No HEALTHCHECK: Kubernetes heeds none, and asks /healthz and /readyz itself.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build --chown=65532:65532 /out/var/lib/warder /var/lib/warder
COPY --from=build /out/LICENCES.txt /
COPY --from=build /out/warder /warder
USER 65532:65532
EXPOSE 9092 9644
ENTRYPOINT ["/warder"]
CMD ["run", "--config", "/etc/warder/config/warder.yaml"]
