"""What the upload of a large file costs client and engine: time, and memory over their idle state.

    python bench/upload.py [--gigabytes 2]

The file has only zeros, so that nothing but the transfer is measured; the engine refuses it as soon
as it has arrived. Client and engine are separate processes. Linux only: peak memory is read from
/proc.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from core.command_line import make_parser
from twelvelabs_client import TwelveLabsClient

ROOT = Path(__file__).parent.parent
MEBIBYTE = 1024**2


def peak_memory(process: int | str) -> int:
    """Peak resident bytes of a process so far."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found.group(1)) * 1024


def start_engine(data_dir: Path) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "engine", "--port", "0", "--data-dir", str(data_dir)]
    engine = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert engine.stdout
    found = re.search(r"http://[\d.]+:\d+", engine.stdout.readline())
    assert found, "the engine did not start"
    return engine, found.group() + "/v1.2"


def main() -> None:
    parser = make_parser(__doc__, {})
    parser.add_argument("--gigabytes", type=float, default=2.0, help="size of the file")
    size = int(parser.parse_args().gigabytes * 1024**3) - MEBIBYTE  # the platform's limit is 2 GB
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.mp4"
        with path.open("wb") as file:
            file.truncate(size)
        engine, url = start_engine(Path(folder) / "data")
        try:
            with TwelveLabsClient(url) as client:
                index_id = client.create_index("large", ["visual"])
                list(client.tasks(index_id))
                idle = peak_memory("self"), peak_memory(engine.pid)
                begun = time.perf_counter()
                client.upload_video(index_id, path)
                took_s = time.perf_counter() - begun
                busy = peak_memory("self"), peak_memory(engine.pid)
        finally:
            engine.terminate()
            engine.communicate()
    print(f"{size / 1e9:.2f} GB uploaded in {took_s:.1f} s ({size / 1e6 / took_s:.0f} MB/s)")
    print("| process | idle, MiB | peak over idle, MiB |")
    print("| --- | ---: | ---: |")
    for name, before, after in zip(("client", "engine"), idle, busy, strict=True):
        print(f"| {name} | {before / MEBIBYTE:.0f} | {(after - before) / MEBIBYTE:.1f} |")


if __name__ == "__main__":
    main()
