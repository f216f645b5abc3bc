"""One run of a program: its configuration, checkpoints, log and loop; knows no model."""

from headsync.experiment.adversary import HINGE, LOGISTIC, Adversary, LossPair, Scores
from headsync.experiment.batch_norm import share_batch_norms
from headsync.experiment.checkpoint import checkpoints, load_checkpoint, save_checkpoint
from headsync.experiment.config import build_config, config_dict, load_config, save_config
from headsync.experiment.device import chosen_device
from headsync.experiment.distributed import (
    compute_together,
    equal_share,
    first_before_others,
    is_first,
    joined_processes,
    own_device,
    own_rows,
    process_mean,
    share_gradients,
)
from headsync.experiment.lock import only_run, output_lock
from headsync.experiment.log import RunLog, read_log
from headsync.experiment.loop import LoopResult, Trainee, run_loop
from headsync.experiment.model import Kind, check_loss_weights, counting_weights, fingerprint, load_model, weighted_sum
from headsync.experiment.precision import PRECISIONS, Precision, as_float32, chosen_precision, in_float32, mixed_precision
from headsync.experiment.run_folder import check_run
from headsync.experiment.schedule import exponential_average, lr_share
from headsync.experiment.seeds import batch_generator
from headsync.experiment.settings import RunSettings
from headsync.experiment.task import DiscriminatorInput, Parts, StepLosses, Task, decayed_matrices
from headsync.experiment.trainer import Trained, Trainer, TrainReport, moved, train_task, train_whole
from headsync.experiment.weights import Weights, load_weights, read_config, save_weights

__all__ = [
    "HINGE", "LOGISTIC", "Adversary", "LossPair", "Scores",
    "share_batch_norms",
    "checkpoints", "load_checkpoint", "save_checkpoint",
    "build_config", "config_dict", "load_config", "save_config",
    "chosen_device",
    "compute_together", "equal_share", "first_before_others", "is_first", "joined_processes", "own_device", "own_rows",
    "process_mean", "share_gradients",
    "only_run", "output_lock",
    "RunLog", "read_log",
    "LoopResult", "Trainee", "run_loop",
    "Kind", "check_loss_weights", "counting_weights", "fingerprint", "load_model", "weighted_sum",
    "PRECISIONS", "Precision", "as_float32", "chosen_precision", "in_float32", "mixed_precision",
    "exponential_average", "lr_share",
    "batch_generator",
    "check_run", "RunSettings",
    "DiscriminatorInput", "StepLosses", "Parts", "Task", "decayed_matrices",
    "Trained", "TrainReport", "Trainer", "moved", "train_task", "train_whole",
    "Weights", "load_weights", "read_config", "save_weights",
]
