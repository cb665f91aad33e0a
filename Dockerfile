# The image: one binary, what it needs to run, and nothing else. No shell, no package manager.
#
# The base is pinned by name and tag. Whoever publishes images pins harder by adding the digest that
# their registry gives for it (rust:1.95.0-bookworm@sha256:...).
FROM rust:1.95.0-bookworm AS build
WORKDIR /src
COPY . .

# The same sources give the same binary wherever they are built: no folder of the builder in it, and
# no time but that of the commit (`make image` passes it).
ARG SOURCE_DATE_EPOCH=0
ENV SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH} \
    CARGO_INCREMENTAL=0 \
    RUSTFLAGS="--remap-path-prefix=/src=pilothouse --remap-path-prefix=/usr/local/cargo=cargo" \
    CFLAGS="-ffile-prefix-map=/src=pilothouse -ffile-prefix-map=/usr/local/cargo=cargo"
RUN cargo build --release --locked --features jemalloc --bin pilothouse

# Everything that is copied below. The C library comes along because the binary links to it, and
# with it name resolution as pods expect it (search domains, ndots); certificates, because upstream
# TLS trusts the system's roots.
RUN <<'END'
set -eu
binary=target/release/pilothouse
install -D "$binary" /image/usr/local/bin/pilothouse
ldd "$binary" | grep -o '/[^ ]*' | while read -r library; do
    install -D "$library" "/image$library"
done
install -D -m 644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt
install -D -m 644 LICENSE /image/usr/share/doc/pilothouse/LICENSE
echo 'pilothouse:x:65532:65532::/:/sbin/nologin' > /image/etc/passwd
echo 'pilothouse:x:65532:' > /image/etc/group
echo 'hosts: files dns' > /image/etc/nsswitch.conf
# For `pilothouse demo`, which writes its routes there.
install -d -m 1777 /image/tmp
find /image -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
END

FROM scratch
COPY --from=build /image /
# A number, so that Kubernetes can tell that it is not root (runAsNonRoot).
USER 65532:65532
EXPOSE 8080 9090
ENTRYPOINT ["/usr/local/bin/pilothouse"]
CMD ["serve"]
LABEL org.opencontainers.image.title="Pilothouse" \
      org.opencontainers.image.description="A Kubernetes-native gateway for large language models" \
      org.opencontainers.image.licenses="Apache-2.0"
