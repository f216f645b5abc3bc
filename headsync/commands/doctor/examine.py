"""The whole examination: machine, packages, headsync's own parts; nothing is downloaded, nothing is left behind."""

import contextlib
import warnings

from headsync.commands.doctor import machine, parts
from headsync.commands.doctor.findings import Finding


def examine() -> list[Finding]:
    """Everything that was looked for, in the order in which one thing needs the other; takes some seconds."""
    with contextlib.suppress(ImportError):      # of what it then names
        from headsync.media.caches import keep_fonts_somewhere

        keep_fonts_somewhere()                  # before anything imports matplotlib
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")     # other packages' words; what is broken is found without them
        return [
            machine.python(), *machine.packages(), machine.processor(), machine.gpu(), machine.opencv(),
            machine.encoders(), *machine.folders(), parts.data(), *parts.weights(),
            parts.embedded_detector(), parts.other_detector(),
        ]
