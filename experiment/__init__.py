"""One run of a program: its configuration, checkpoints, log and loop; knows no model."""

from experiment.batch_norm import share_batch_norms
from experiment.checkpoint import checkpoints, load_checkpoint, random_state, restore_random_state, save_checkpoint
from experiment.command import named, report_failures, run_command, run_each, training_parser
from experiment.config import build_config, config_dict, load_config, save_config
from experiment.distributed import (
    compute_together,
    equal_share,
    first_before_others,
    is_first,
    own_device,
    own_rows,
    process_mean,
    run_training,
    share_gradients,
)
from experiment.lock import only_run
from experiment.log import RunLog, read_log
from experiment.loop import LoopResult, LoopSettings, Trainee, run_loop
from experiment.model import Kind, check_loss_weights, counting_weights, fingerprint, follow, load_model, weighted_sum
from experiment.training import Trained, TrainReport, half_cosine, train_whole
from experiment.weights import Weights, load_weights, save_weights

__all__ = [
    "build_config", "config_dict", "load_config", "save_config",
    "checkpoints", "load_checkpoint", "random_state", "restore_random_state", "save_checkpoint",
    "Weights", "load_weights", "save_weights",
    "Kind", "check_loss_weights", "counting_weights", "fingerprint", "follow", "load_model", "weighted_sum",
    "RunLog", "read_log",
    "LoopResult", "LoopSettings", "Trainee", "run_loop", "Trained", "TrainReport", "half_cosine", "train_whole", "only_run",
    "named", "report_failures", "run_command", "run_each",
    "training_parser",
    "compute_together", "equal_share", "first_before_others", "is_first", "own_device", "own_rows", "process_mean",
    "run_training", "share_batch_norms", "share_gradients",
]
