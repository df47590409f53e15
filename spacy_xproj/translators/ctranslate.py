"""Translation models run by CTranslate2, which is several times as fast as PyTorch on a CPU."""

import math
from pathlib import Path
from typing import Any, Union

from ..errors import XprojError, check_at_least
from .ctranslate_convert import INSTALL, NOTE, WHO, converted_folder, is_converted, is_current, model_hash, parts
from .ctranslate_runtime import Kept, checked_compute_type, ctranslate2, device_index
from .families import load_family, read_family_config
from .model_translator import Ids, Loaded, ModelTranslator


class CTranslate2(ModelTranslator):
    """`spacy_xproj.CTranslate2.v1`: NLLB-200, M2M100, Marian and T5 or MADLAD-400 models, run by CTranslate2. The
    weights load, and are converted if need be, at the first use in a process.

    model (str): The folder of a Hugging Face model, which is converted at first use, or of one that this translator
        converted before. "": none yet; `from_disk` brings one.
    converted (str): Where to put the converted model. "": beside the model's folder, under its name with "-ct2-" and
        the compute type added. It is made again if the model's files change. The model's own folder is not touched.
    compute_type (str): The type of the weights and of the computation, such as "int8", "int8_float16", "float16" or
        "float32". "auto": "int8" on a CPU, "float16" on a GPU.
    device (str): "cpu", "cuda", "cuda:1" ..., or "auto": a GPU if there is one.
    beam_size (int): Number of translations to follow at a time. 1: greedy search.
    batch_tokens (int): Largest number of source tokens in a batch, padding included.
    threads (int): CPU threads; 0: as CTranslate2 chooses, or OMP_NUM_THREADS.
    download (bool): Take a `model` that is not a folder for a name on the Hugging Face Hub, and fetch it.
    RAISES (XprojError): If the package, the folder or the device is not there, or a setting cannot be.
    """

    state_name = who = WHO
    extra = INSTALL
    step = 64  # tokens: one call has one limit, so limits are rounded up, to make few calls; what is over is cut off

    def __init__(
        self,
        model: Union[str, Path] = "",
        converted: Union[str, Path] = "",
        compute_type: str = "auto",
        device: str = "auto",
        beam_size: int = 4,
        batch_tokens: int = 2048,
        threads: int = 0,
        download: bool = False,
    ):
        check_at_least(WHO, 1, beam_size=beam_size, batch_tokens=batch_tokens)
        check_at_least(WHO, 0, threads=threads)
        self.beam_size = beam_size
        self.batch_tokens = batch_tokens
        self.threads = threads
        self.converted = Path(converted).resolve() if converted else None
        super().__init__(model, device=device, download=download)
        self.device = self.device_name()
        self.compute_type = checked_compute_type(compute_type, *device_index(self.device))

    def check(self, folder: Path) -> dict[str, Any]:
        if not is_converted(folder):
            return super().check(folder)
        try:
            return read_family_config(folder, WHO)
        except XprojError as err:
            raise XprojError(
                f"{err} (The folder holds a CTranslate2 model. One that another program converted lacks the keys "
                "of Hugging Face's config.json. Give the folder of the Hugging Face model, and it is converted.)"
            ) from err

    def devices(self) -> tuple[str, dict[str, int]]:
        package = ctranslate2()
        return f"ctranslate2 {package.__version__}", {"cpu": 1, "cuda": package.get_cuda_device_count()}

    def on_gpu(self) -> bool:
        return self.device != "cpu"

    def after_fork(self) -> None:
        self._loaded = None  # its threads are not there

    @property
    def place(self) -> Path:
        """Where the converted model is or will be (Path)."""
        if is_converted(self.folder):
            return self.folder
        return self.converted or self.folder.with_name(f"{self.folder.name}-ct2-{self.compute_type}")

    @property
    def hash(self) -> str:
        """The content of the model's files, as a hash (str). It does not depend on where the model lies, or whether it
        has been converted yet."""
        if not self._hash:
            done = self.folder == self.place or is_current(self.folder, self.place, self.compute_type)
            self._hash = model_hash(self.place if done else self.folder)
        return self._hash

    def output_settings(self) -> list[Any]:
        return [self.compute_type, self.beam_size]

    def described(self) -> str:
        return f"{self.beam_size} beams, {self.compute_type}"

    def saved_folder(self) -> Path:
        if self.folder == self.place:
            return self.folder
        return converted_folder(self.folder, self.place, self.compute_type)

    def files(self, folder: Path) -> list[Path]:
        return [*folder.glob(NOTE), *parts(folder)]  # the weights come last

    def make(self, folder: Path, device: str) -> Loaded:
        folder = self.saved_folder()
        family = load_family(folder, WHO)
        name, index = device_index(device)
        try:
            translator = ctranslate2().Translator(
                str(folder), device=name, device_index=index, compute_type=self.compute_type, intra_threads=self.threads
            )
        except (RuntimeError, ValueError) as err:
            raise XprojError(
                f"{WHO}: the model in {str(folder)!r} cannot be loaded on {self.device!r} as "
                f"{self.compute_type} ({err}). If its files are damaged, remove that folder, and it is converted again."
            ) from err
        return Loaded(family, Kept(translator))

    def generate(self, loaded: Loaded, sources: list[Ids], limits: list[int], target_lang: str) -> list[Ids]:
        family = loaded.family
        prefix = family.tokens(family.target_prefix(target_lang), target=True)
        groups: dict[int, list[int]] = {}
        for i, limit in enumerate(limits):
            groups.setdefault(min(-(-limit // self.step) * self.step, family.max_length - 2), []).append(i)
        found: dict[int, Ids] = {}
        for limit, group in groups.items():
            results = self._run(
                loaded.model.translator.translate_batch,
                [family.tokens(sources[i]) for i in group],
                [prefix] * len(group) if prefix else None,
                beam_size=self.beam_size,
                max_decoding_length=limit,
            )
            found.update(zip(group, (family.ids(result.hypotheses[0]) for result in results)))
        return [found[i] for i in range(len(sources))]

    def _run(self, method: Any, *args: Any, **options: Any) -> Any:
        """Call a method of the translator on many texts. It puts those of similar length together."""
        try:
            return method(*args, max_batch_size=self.batch_tokens, batch_type="tokens", max_input_length=0, **options)
        except RuntimeError as err:
            raise XprojError(
                f"{WHO} failed on {self.device!r}: {err}. If it lacks memory, lower batch_tokens "
                f"(now {self.batch_tokens})."
            ) from err

    def score_ids(self, loaded: Loaded, sources: list[Ids], targets: list[Ids], start: int) -> list[tuple[float, int]]:
        results = self._run(
            loaded.model.translator.score_batch,
            [loaded.family.tokens(ids) for ids in sources],
            [loaded.family.tokens(ids, target=True) for ids in targets],
            offset=start,
        )
        return [(math.fsum(result.log_probs), len(result.log_probs)) for result in results]  # the end token's, too
