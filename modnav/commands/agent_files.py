"""Agents as files of other runtimes: ONNX, torch.export, safetensors."""

import json
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from modnav.files import one_line, replacing
from modnav.networks import Agent, StepPolicy, describe_agent

SUFFIXES = {"onnx": ".onnx", "safetensors": ".safetensors", "torch-export": ".pt2"}
"""What files are called."""

TRIALS = 3
"""Trials with which a file is compared with the agent; it is made with two."""

_RULE = (
    "what a module does must not depend on numbers in its inputs, or on how many trials there are"
)


def write_agent(agent: Agent, kind: str, path: Path) -> None:
    """Write an agent for another runtime.

    ``onnx`` and ``torch-export`` hold its policy, one step of it, see
    :class:`modnav.networks.StepPolicy`; ``safetensors`` holds all its weights.

    Args:
        agent: The agent.
        kind: What to write.
        path: The file; a former one is replaced once the new one is whole.

    Raises:
        ValueError: If it cannot be written so, or a package is missing.
        OSError: If the file cannot be written.
    """
    {"onnx": _onnx, "safetensors": _safetensors, "torch-export": _torch_export}[kind](agent, path)


def _about(agent: Agent) -> dict[str, str]:
    return {"architecture": agent.architecture, "agent": json.dumps(describe_agent(agent))}


def _onnx(agent: Agent, path: Path) -> None:
    try:
        import onnx
    except ImportError as error:
        raise _missing("onnx") from error
    policy, (inputs, memory) = _policy(agent)
    names = [f"memory_{k}" for k in range(len(memory))]
    batch = {"inputs": {0: "B"}, "action": {0: "B"}}
    batch |= {f"{where}{name}": {1: "B"} for name in names for where in ("", "next_")}
    with replacing(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # the exporter that needs no further package says it is old
        try:
            torch.onnx.export(
                policy,
                (inputs, *memory),
                temporary,
                input_names=["inputs", *names],
                output_names=["action", *(f"next_{name}" for name in names)],
                dynamic_axes=batch,
                dynamo=False,
            )
        except Exception as error:  # of many kinds, such as an operator that ONNX lacks
            raise ValueError(f"torch.onnx cannot write the actor: {one_line(error)}") from error
        model = onnx.load(temporary)
        about = _about(agent) | {"source": policy.source}
        for key, value in about.items():
            entry = model.metadata_props.add()
            entry.key, entry.value = key, value
        onnx.save(model, temporary)
        with suppress(ImportError):  # it may be read elsewhere
            import onnxruntime

            session = onnxruntime.InferenceSession(str(temporary))
            _compare(policy, partial(_run_onnx, session, ["inputs", *names]))


def _run_onnx(session: Any, names: Sequence[str], *given: Tensor) -> list[Tensor]:
    numbers = dict(zip(names, (x.numpy() for x in given), strict=True))
    return [torch.from_numpy(x) for x in session.run(None, numbers)]


def _torch_export(agent: Agent, path: Path) -> None:
    policy, (inputs, memory) = _policy(agent)
    batch = torch.export.Dim("B")
    shapes: Any = ({0: batch}, tuple({1: batch} for _ in memory))[: 1 + bool(memory)]
    with replacing(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # flat weights of recurrent layers are made anew
        try:
            program = torch.export.export(policy, (inputs, *memory), dynamic_shapes=shapes)
        except Exception as error:  # of many kinds, with pages of text
            raise ValueError(f"torch.export cannot write the actor: {one_line(error)}") from error
        _compare(policy, program.module())
        with temporary.open("wb") as file:
            torch.export.save(program, file, extra_files=_about(agent))


def _safetensors(agent: Agent, path: Path) -> None:
    try:
        from safetensors.torch import save_file
    except ImportError as error:
        raise _missing("safetensors") from error
    weights = {  # copies, as parts may share theirs
        name: x.clone(memory_format=torch.contiguous_format)
        for name, x in agent.state_dict().items()
    }
    with replacing(path) as temporary:
        save_file(weights, temporary, metadata=_about(agent))


def _policy(agent: Agent) -> tuple[StepPolicy, tuple[Tensor, list[Tensor]]]:
    """Return the policy, and inputs and memory of two trials to follow it with."""
    policy = StepPolicy(agent.actor)
    memory = [x.expand(x.shape[0], 2, *x.shape[2:]).contiguous() for x in policy.start]
    return policy, (torch.zeros(2, policy.features), memory)


def _compare(policy: StepPolicy, written: Callable[..., Sequence[Tensor]]) -> None:
    """Refuse what was written if it acts otherwise than the policy, on other trials than it was followed with."""
    generator = torch.Generator().manual_seed(0)
    mine = theirs = [x.expand(x.shape[0], TRIALS, *x.shape[2:]).contiguous() for x in policy.start]
    for scale in (0.1, 1.0, 3.0, 0.0):
        inputs = scale * torch.randn(TRIALS, policy.features, generator=generator)
        action, *mine = policy(inputs, *mine)
        try:
            found, *theirs = written(inputs, *theirs)
        except Exception as error:  # runtimes have kinds of their own
            raise ValueError(f"what was written fails: {one_line(error)}; {_RULE}") from error
        if not torch.allclose(action, found, atol=1e-4):
            raise ValueError(f"what was written acts otherwise than the agent; {_RULE}")


def _missing(package: str) -> ValueError:
    return ValueError(f'{package} is not installed; pip install "modnav[export]"')
