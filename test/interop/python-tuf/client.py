"""python-tuf's updater as a program, with the arguments of every TUF client here:
ROOT_JSON BASE_URL STATE_DIR TARGET… updates STATE_DIR/metadata and downloads the targets into STATE_DIR/targets.
"""

import sys
from pathlib import Path

from tuf.ngclient import Updater


def update(root_path: str, base_url: str, state_dir: str, names: list[str]) -> None:
    metadata_dir, target_dir = Path(state_dir, "metadata"), Path(state_dir, "targets")
    for directory in (metadata_dir, target_dir):
        directory.mkdir(parents=True, exist_ok=True)

    updater = Updater(
        metadata_dir=str(metadata_dir),
        metadata_base_url=base_url,
        target_dir=str(target_dir),
        target_base_url=f"{base_url}/targets",
        bootstrap=Path(root_path).read_bytes(),
    )
    updater.refresh()
    for name in names:
        info = updater.get_targetinfo(name)
        if info is None:
            sys.exit(f"{name}: no such target")
        updater.download_target(info, str(target_dir / name))


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit("usage: client.py ROOT_JSON BASE_URL STATE_DIR TARGET…")
    update(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
