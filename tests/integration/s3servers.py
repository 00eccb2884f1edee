"""S3 servers on loopback for tests: two real ones of others, and the strict double.

Each has an empty bucket, and says with which keys and options one goes there. MinIO takes part where
BACKSTOP_MINIO names its program.
"""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import s3double
from conftest import binary, free_port

BUILD = pathlib.Path(binary()).resolve().parent
TOOL = BUILD / "tests" / "unit" / "storage-tool"
CONTRACT = BUILD / "tests" / "unit" / "unit-storage-contract"


class Server:
    def __init__(self, name, port, keys, region="us-east-1", bucket="points"):
        self.name, self.port, self.keys, self.region, self.bucket = name, port, keys, region, bucket
        self.double = None

    def url(self, prefix="t", **options):
        options = {"endpoint": f"http://127.0.0.1:{self.port}", "region": self.region,
                   "timeout": "10s", **options}
        return (f"s3://{options.pop('bucket', self.bucket)}/{prefix}?"
                + "&".join(f"{k}={v}" for k, v in options.items()))

    def env(self, **more):
        """Nothing of the user's own reaches a test."""
        plain = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        return {**plain, "AWS_ACCESS_KEY_ID": self.keys[0], "AWS_SECRET_ACCESS_KEY": self.keys[1],
                **more}

    def credentials(self, folder):
        """A file of its keys, as the AWS tools write it."""
        path = folder / "credentials"
        path.write_text(f"[default]\naws_access_key_id = {self.keys[0]}\n"
                        f"aws_secret_access_key = {self.keys[1]}\n")
        path.chmod(0o600)
        return path


def answers(port):
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


@contextlib.contextmanager
def running(command, port, folder, **more):
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **more)
    try:
        deadline = time.monotonic() + 60
        while not answers(port):
            assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def a_folder():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bs-s3-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_bucket(server, name, **headers):
    """Where nobody looks at signatures."""
    scope = f"Credential={server.keys[0]}/20260101/us-east-1/s3/aws4_request"
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/{name}", method="PUT",
        headers={"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0",
                 **headers})
    urllib.request.urlopen(request, timeout=20).close()


@contextlib.contextmanager
def moto():
    server = Server("moto", free_port(), ("test", "test"))
    with a_folder() as folder, running([sys.executable, "-m", "moto.server", "-p", str(server.port)],
                                       server.port, folder):
        make_bucket(server, "points")
        make_bucket(server, "locked", **{"x-amz-bucket-object-lock-enabled": "true"})
        yield server


@contextlib.contextmanager
def s3rver(packages):
    server = Server("s3rver", free_port(), ("S3RVER", "S3RVER"))
    program = packages / "node_modules" / "s3rver" / "bin" / "s3rver.js"
    with a_folder() as folder:
        # Its continuation tokens need a cipher that OpenSSL 3 calls legacy.
        command = ["node", "--openssl-legacy-provider", program, "-d", folder, "-a", "127.0.0.1",
                   "-p", str(server.port), "--configure-bucket", "points"]
        with running(command, server.port, folder):
            yield server


@contextlib.contextmanager
def minio(program):
    import boto3  # comes with moto
    server = Server("minio", free_port(), ("backstop", "backstop-secret"))
    with a_folder() as folder:
        env = {**os.environ, "MINIO_ROOT_USER": server.keys[0], "MINIO_ROOT_PASSWORD": server.keys[1]}
        command = [program, "server", "--address", f"127.0.0.1:{server.port}",
                   "--console-address", f"127.0.0.1:{free_port()}", folder / "data"]
        with running(command, server.port, folder, env=env):
            client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{server.port}",
                                  aws_access_key_id=server.keys[0], region_name="us-east-1",
                                  aws_secret_access_key=server.keys[1])
            client.create_bucket(Bucket="points")
            client.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
            yield server


@contextlib.contextmanager
def double(certificate=None):
    port = free_port()
    server = Server("double", port, (s3double.ACCESS, s3double.SECRET), s3double.REGION)
    server.double = s3double.Double(port, certificate)
    try:
        yield server
    finally:
        server.double.close()
