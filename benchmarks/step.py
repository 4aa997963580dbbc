"""Seconds a training step: each of the five networks against MONAI's DynUNet and SegResNet.

    python benchmarks/step.py                     the laptop profile
    python benchmarks/step.py --profile paper     on a GPU

Forward, loss, backward and the profile's optimizer, on the same random batch; equal width, poolings, batch and loss,
the same memory order and precision; one step of each network in turn. On a GPU also with torch.compile, with the peak
of the memory and the share of the bfloat16 matrix peak, which is measured in the same run.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from common import Row, arguments, interleaved, record, row
from torch.utils.flop_counter import FlopCounterMode

from kits_msan.devices import pick_device, pick_precision
from kits_msan.networks.peers import PEERS
from kits_msan.networks.registry import MODELS, TITLES, build_model
from kits_msan.profiles import PROFILES, Profile
from kits_msan.training.losses import build_loss
from kits_msan.training.optimizers import OPTIMIZERS

GOALS = {"unet3d": 0.9, "msan_v2_ds": 1.25}  # of DynUNet's time
PAPER_STEPS = 400_000
METHOD = (
    "One training step (forward, loss, backward, optimizer {optimizer}) on the same batch, {batch} slabs of {slab} x "
    "{height} x {width} voxels, base width {channels}, {precision}; networks in turn."
)
TRIED = [
    "GroupNorm with one channel a group instead of InstanceNorm: faster forward (0.65 of the block's time), but a "
    "slower backward, and an error of 1e-3 on slabs of 512 x 512.",
    "Mean and variance by hand (torch.var_mean, addcmul): no faster than InstanceNorm.",
    "The default memory order instead of channels_last_3d: convolution, InstanceNorm and ReLU at the finest level "
    "took 93 ms forward and backward, not 66 (one thread, processor time).",
    "torch.compile on the processor (bfloat16, GCC, two threads): the first step takes 66 s, and then the 3D U-Net's "
    "98 ms against 83, that of MSAN-V2 + DS 102 against 81 (medians of 40 in turn).",
]
KEPT = [
    "Instance normalization by our own sums, which stays in channels_last_3d (networks/norms.py): the step of the "
    "3D U-Net took 407 ms, that of MSAN-V2 + DS 410, against 417 and 396 with batch normalization of single "
    "samples, and its sums are exact, the same with any number of threads (one thread, processor time, float32 on "
    "AVX2, 13 repeats in turn on a very busy machine). Batch normalization adds one number after the other: on "
    "slabs of 512 x 512 that are mostly padding it was wrong by 1e-2 of the largest value, ours by 1e-6.",
    "In bfloat16, whose own rounding is larger, PyTorch's instance normalization, and its result put back in "
    "channels_last_3d: the step of the 3D U-Net took 33.3 ms, against 39.8 with batch normalization of single "
    "samples and 38.8 with our sums (two threads, shortest of 57 in turn).",
    "Dice and cross-entropy from one logarithm of the softmax: 1.0 ms forward and backward, not 2.3. Interpolation "
    "slice by slice where no slice is added: 0.5 to 0.3 of the time of a trilinear one (one thread, processor time).",
    "Muon multiplies the small squares of all matrices with as many rows together, and each matrix once: the "
    "optimizer's step took 0.45 of the time (processor time, one thread, medians of 40 in turn, busy machine).",
]

ON_GPU_KEPT = [
    "Instance normalization whose result is put back in channels_last_3d. Before, it left the default order, and "
    "each convolution after it copied its input back. The step of the 3D U-Net took 41 ms instead of 48 (profile "
    "gpu), and 33 instead of 30 (profile shipped-gpu, 8 channels); that of MSAN-V2 + DS 38.5 instead of 39.7 "
    "(shipped-gpu). Medians of 8 on the H200, one way after the other, not in turn. The rows above are from before.",
    "Batches drawn ahead by threads (training/ahead.py): a slab of profile shipped-gpu takes 6 ms on a core, so the "
    "16 of a step take longer than the step.",
]
ON_GPU_TRIED = [
    "The default memory order, which was reported to be 24 % faster with instance normalization (PyTorch's issue "
    "59168): 40 ms instead of 48 with 32 channels (profile gpu), as fast as the way that was kept; but with 8 "
    "channels 38 instead of 30 (shipped-gpu), and MSAN-V2 + DS 51 instead of 40.",
    "Our own sums (networks/norms.py) on a GPU: 44 ms (gpu), 39 (shipped-gpu). The same as one compiled function: 32 "
    "(shipped-gpu), after 20 s of compiling. cuDNN's search for the fastest convolution: within 2 % for the 3D "
    "U-Net, and MSAN-V2 + DS slower (45 ms, not 40).",
]


class Trainer:
    """A network with its optimizer and one batch."""

    def __init__(self, name: str, profile: Profile, device: torch.device, compiled: bool = False) -> None:
        torch.manual_seed(0)
        self.device, self.precision = device, pick_precision("auto", device)
        network = build_model(name, width=profile.width, poolings=profile.poolings).train()
        network.to(device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        parameters = [p for p in network.parameters() if p.requires_grad]
        self.optimizer = OPTIMIZERS[profile.optimizer](
            parameters, profile.learning_rate, fused=device.type in ("cpu", "cuda")
        )
        self.network = torch.compile(network) if compiled else network
        self.loss = build_loss(profile.loss, smooth=profile.smooth).to(device)
        shape = (profile.batch, profile.slab, *profile.grid[1:])
        self.image = torch.rand(shape, device=device)[:, None].to(memory_format=torch.channels_last_3d)
        self.label = torch.randint(0, 3, shape, device=device, dtype=torch.uint8)

    def step(self) -> None:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            output = self.network(self.image)
        self.loss(output, self.label).backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def seconds(self) -> float:
        wait = torch.cuda.synchronize if self.device.type == "cuda" else lambda: None
        wait()
        started = time.perf_counter()
        self.step()
        wait()
        return time.perf_counter() - started

    def on_gpu(self, peak_flops: float) -> dict[str, Any]:
        """Memory, and the share of the card's matrix peak."""
        torch.cuda.reset_peak_memory_stats()
        with FlopCounterMode(display=False) as counter:
            self.step()
        memory = torch.cuda.max_memory_allocated()
        seconds = statistics.median(self.seconds() for _ in range(5))
        share = counter.get_total_flops() / seconds / peak_flops
        return {"peak_gb": round(memory / 1e9, 2), "share_of_matrix_peak": round(share, 3)}


def matrix_peak(size: int = 8192, repeats: int = 20) -> float:
    """Operations a second of a bfloat16 matrix product on the GPU."""
    a = torch.randn(size, size, device="cuda", dtype=torch.bfloat16)
    for _ in range(3):
        a @ a
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(repeats):
        a @ a
    torch.cuda.synchronize()
    return 2 * size**3 * repeats / (time.perf_counter() - started)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--profile", choices=PROFILES, default="laptop")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeats", type=int, default=12)
    parser.add_argument("--eager", action="store_true", help="without torch.compile, which takes minutes to warm up")
    args = parser.parse_args()
    profile, device = PROFILES["smoke" if args.quick else args.profile], pick_device(args.device)
    repeats = 2 if args.quick else args.repeats
    compiles = device.type == "cuda" and not (args.quick or args.eager)
    variants = (False, True) if compiles else (False,)

    rows: list[Row] = []
    details: dict[str, Any] = {"profile": profile.name, "device": device.type}
    peak_flops = matrix_peak() if device.type == "cuda" else 0.0
    for compiled in variants:
        trainers = {name: Trainer(name, profile, device, compiled) for name in (*MODELS, *PEERS)}
        sides: dict[str, Callable[[], float]] = {name: trainer.seconds for name, trainer in trainers.items()}
        interleaved(sides, 2)  # to warm up
        runs = interleaved(sides, repeats)
        note = ", compiled" if compiled else ""
        note += "" if profile.name in ("laptop", "smoke") else f", profile {profile.name}"
        for peer in PEERS:
            for name in MODELS:
                goal = GOALS.get(name) if peer == "dynunet" and not compiled else None
                what = f"Training step, {TITLES[name]}{note}"
                rows.append(row(what, runs[name], TITLES[peer], runs[peer], goal=goal))
        medians = {name: statistics.median(seconds) for name, seconds in runs.items()}
        slices = profile.batch * profile.slab
        found: dict[str, Any] = {"seconds": {name: [round(s, 4) for s in run] for name, run in runs.items()}}
        found["slices_per_s"] = {name: round(slices / seconds, 1) for name, seconds in medians.items()}
        hours = sum(medians[name] for name in MODELS) * PAPER_STEPS / 3600
        found["projected_hours_5_x_400000_steps"] = round(hours, 1)
        if device.type == "cuda":
            found["gpu"] = {name: trainer.on_gpu(peak_flops) for name, trainer in trainers.items()}
        details["compiled" if compiled else "eager"] = found
        del trainers, sides
    if peak_flops:
        details["matrix_peak_tflops"] = round(peak_flops / 1e12, 1)
    precision = "bfloat16" if pick_precision("auto", device) == "bf16" else "float32"
    method = METHOD.format(
        batch=profile.batch, slab=profile.slab, height=profile.grid[1], width=profile.grid[2],
        channels=profile.width, precision=precision, optimizer=profile.optimizer,
    )  # fmt: skip
    part = "step" if profile.name in ("laptop", "smoke") else f"step_{profile.name}"
    kept, tried = (ON_GPU_KEPT, ON_GPU_TRIED) if device.type == "cuda" else (KEPT, TRIED)
    record(part, rows, args, method, kept=kept, tried=tried, **details)


if __name__ == "__main__":
    main()
