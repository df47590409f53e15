"""`spacy_xproj.freeze_layers.v1`: lower layers of a transformer that training leaves as they are."""

from collections.abc import Callable
from typing import Any

from spacy.language import Language

from ..errors import XprojError


def make_freeze_layers(
    component: str = "transformer", layers: int = 3, embeddings: bool = True
) -> Callable[[Language], Language]:
    """Freeze the embeddings and the lowest layers of a transformer, as Wu et al. (2020) do for teachers and students.
    For `[initialize.after_init]`. It holds for the training that follows, and is not saved with the model.

    component (str): A pipe with a model of spacy-transformers: a transformer, or any other that has one inside.
    layers (int): Number of the lowest layers to freeze; published: 3.
    embeddings (bool): Freeze the embeddings, too.
    RETURNS (Callable[[Language], Language]): Freezes them in a pipeline that is initialized.
    RAISES (XprojError): If layers is below 0, or (when called) if there is no such pipe or transformer, or it has no
        layers that would be left to train.
    """
    if layers < 0:
        raise XprojError(f"spacy_xproj.freeze_layers.v1: layers must be 0 or more, not {layers}.")

    def freeze_layers(nlp: Language) -> Language:
        if component not in nlp.component_names:
            raise XprojError(
                f"spacy_xproj.freeze_layers.v1: the pipeline has no component {component!r}, only "
                f"{', '.join(nlp.component_names)}. Set 'component' to the one with the transformer."
            )
        for encoder in encoders(nlp.get_pipe(component), component):
            stack = layer_stack(encoder)
            if layers >= len(stack):
                raise XprojError(
                    f"spacy_xproj.freeze_layers.v1: expected fewer layers to freeze than the {len(stack)} that the "
                    f"transformer has, got {layers}. To freeze it as a whole, list {component!r} in frozen_components "
                    "and annotating_components of [training]."
                )
            # A module that is frozen twice stays frozen: some embeddings are shared.
            for module in [*stack[:layers], *([embedding_module(encoder)] if embeddings else [])]:
                for param in module.parameters():
                    param.requires_grad_(False)
        return nlp

    return freeze_layers


def encoders(pipe: Any, name: str) -> list[Any]:
    """The PyTorch models inside of a pipe.

    pipe (Pipe): With a thinc model.
    name (str): For the error.
    RETURNS (list of torch.nn.Module): One or more.
    RAISES (XprojError): If there are none, or they have not been loaded.
    """
    from spacy_transformers.layers.hf_shim import HFShim

    nodes = pipe.model.walk() if getattr(pipe, "model", None) is not None else ()
    found = [shim._model for node in nodes for shim in node.shims if isinstance(shim, HFShim)]
    if not found or None in found:
        raise XprojError(
            f"spacy_xproj.freeze_layers.v1: expected a model of spacy-transformers in the component {name!r}, loaded; "
            "found none. Use it as [initialize.after_init], and name the right component."
        )
    return found


def layer_stack(encoder: Any) -> list[Any]:
    """The layers of a transformer (list of torch.nn.Module), the lowest first: of its lists of modules the longest."""
    from torch.nn import ModuleList

    return list(max((module for module in encoder.modules() if isinstance(module, ModuleList)), key=len, default=()))


def embedding_module(encoder: Any) -> Any:
    """The embeddings of a transformer (torch.nn.Module): of words, and what else is added to them before the layers."""
    whole = getattr(encoder, "embeddings", None)
    return encoder.get_input_embeddings() if whole is None else whole
