#!/usr/bin/env python3
"""A registry with TLS, a latency, and as many images as wanted; it counts what it is asked.

    server.py PORT CERTIFICATE KEY LATENCY_MS

Any repository has the tag 1: an index of two platforms, made from the repository's name. GET /count gives what was
asked since the last time, as JSON.
"""
import asyncio
import hashlib
import json
import ssl
import sys

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIGURATION = "application/vnd.oci.image.config.v1+json"

content = {}
made = {}
counts = {}


def keep(kind, document):
    data = json.dumps(document).encode()
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    content[digest] = (kind, data)
    return {"mediaType": kind, "digest": digest, "size": len(data)}


def image(name):
    if name not in made:
        manifests = []
        for architecture in ("amd64", "arm64"):
            platform = {"os": "linux", "architecture": architecture}
            settings = {"User": "10001", "Cmd": [name], "ExposedPorts": {"8080/tcp": {}}}
            configuration = keep(CONFIGURATION, {**platform, "config": settings})
            layer = {"mediaType": LAYER, "digest": "sha256:" + "0" * 64, "size": 1}
            manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": configuration, "layers": [layer]}
            manifests.append({**keep(MANIFEST, manifest), "platform": platform})
        made[name] = keep(INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})["digest"]
    return made[name]


def answer(method, path):
    if path == "/count":
        data = json.dumps(counts).encode()
        counts.clear()
        return 200, "application/json", data, None
    if path == "/v2/":
        return 200, "application/json", b"{}", None
    parts = path.split("/")
    kind, wanted, name = parts[-2], parts[-1], "/".join(parts[2:-2])
    counts[f"{method} {kind}"] = counts.get(f"{method} {kind}", 0) + 1
    digest = image(name) if wanted == "1" else wanted
    if digest not in content:
        return 404, "application/json", b"{}", None
    return 200, content[digest][0], content[digest][1], digest


async def serve(reader, writer, latency):
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
            status, kind, data, digest = answer(method, path)
            await asyncio.sleep(latency)
            lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(data)}"]
            lines.append("Docker-Distribution-Api-Version: registry/2.0")  # older engines look for it
            if digest:
                lines.append(f"Docker-Content-Digest: {digest}")
            body = b"" if method == "HEAD" else data
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    port, certificate, key, latency = int(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4]) / 1000
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(
        lambda reader, writer: serve(reader, writer, latency), "127.0.0.1", port, ssl=context, backlog=512
    )
    async with server:
        await server.serve_forever()


asyncio.run(main())
