"""Every public command with every place where it takes a user's file: what the fuzzer has to choose from."""

from typing import NamedTuple

WITHOUT_FILES = ("headsync setup-opencv", "headsync doctor")


READER = "reader: "     # begins the name of a slot that is a reader alone
READ_SHARE = 0.9
STAGES = ("articulation", "close_up", "correction", "encoder", "expression", "g4g", "head_motion", "landmarks", "pc_avs",
          "renderer", "syncers")
MODELS = ("generator", "expression", "head_motion", "renderer", "face_encoder", "syncers")


class Slot(NamedTuple):
    """One place for a bad file. {bad} is it, {good} the folder of good files, {out} an empty folder, {corpus} a corpus
    one of whose files is bad."""

    command: str
    argv: str               # split at blanks
    kinds: tuple[str, ...]
    source: str = ""        # the good file that becomes bad, where it is not a.KIND
    outs: tuple[str, ...] = ()      # names in {out} that stand for a whole result
    corpus: str = ""        # the corpus that holds it, as `source` within it
    weight: float = 1.0     # how often, against others


SMALL_DISCRIMINATOR = " syncers={good}/syncers.safetensors validation_syncers={good}/syncers.safetensors"
SOUND, FACE, CLIP = ("wav", "mp3", "mp4"), ("png", "jpg", "mp4"), ("mp4",)


def _generation() -> list[Slot]:
    name, model = "headsync gen-landmarks", "--model {good}/generator.safetensors --out {out}/o.npz"
    sound = "--audio {good}/a.wav"
    made = ("o.npz", "p.mp4")
    return [
        Slot(name, f"--audio {{bad}} {model}", SOUND, outs=made, weight=2),
        Slot(name, f"--audio {{bad}} {model} --preview {{out}}/p.mp4", SOUND, outs=made),
        Slot(name, f"{sound} --refs {{bad}} {model}", FACE, outs=made),
        Slot(name, f"{sound} --start {{bad}} {model}", ("npz",), outs=made, weight=2),
        Slot(name, f"{sound} --head-motion {{bad}} {model}", ("npz", "mp4"), outs=made),
        Slot(name, f"{sound} --head-motion learned --head-reference {{bad}} {model}", ("npz", "mp4"), outs=made, weight=0.5),
        Slot(name, f"{sound} --model {{bad}} --out {{out}}/o.npz", ("safetensors",), source="generator.safetensors",
             outs=made, weight=2),
        Slot(name, f"{sound} --generator expression --model {{bad}} --out {{out}}/o.npz", ("safetensors",),
             source="expression.safetensors", outs=made),
        Slot(name, "--audio {bad} {good}/a.wav --model {good}/generator.safetensors --out {out}/many", SOUND, weight=0.5),
    ]


def _extraction() -> list[Slot]:
    name = "headsync landmarks"
    return [
        Slot(name, "{bad} --out {out}/o.npz", FACE, outs=("o.npz",), weight=2),
        Slot(name, "{bad} --out {out}/o.npz --preview {out}/p.mp4", FACE, outs=("o.npz", "p.mp4")),
        Slot(name, "{good}/a.png --audio {bad} --out {out}/o.npz", SOUND, outs=("o.npz",)),
    ]


def _rendering() -> list[Slot]:
    name, model = "headsync render", "--model {good}/renderer.safetensors --out {out}/o.mp4"
    face, motion, made = "--refs {good}/a.png", "--landmarks {good}/a.npz", ("o.mp4",)
    return [
        Slot(name, f"--landmarks {{bad}} {face} {model}", ("npz",), outs=made, weight=2),
        Slot(name, f"{motion} {face} --audio {{bad}} {model}", SOUND, outs=made, weight=0.7),
        Slot(name, f"{motion} --refs {{bad}} {model}", FACE, outs=made),
        Slot(name, f"{motion} --refs {{bad}} --paste-back {model}", FACE, outs=made, weight=0.5),
        Slot(name, f"{motion} {face} --model {{bad}} --out {{out}}/o.mp4", ("safetensors",), source="renderer.safetensors",
             outs=made, weight=2),
    ]


def _speaking() -> list[Slot]:
    name, made = "headsync talk", ("o.mp4",)
    models = "--motion-model {good}/generator.safetensors --model {good}/renderer.safetensors --out {out}/o.mp4"
    return [
        Slot(name, f"--audio {{bad}} --refs {{good}}/a.png {models}", SOUND, outs=made),
        Slot(name, f"--audio {{good}}/a.wav --refs {{bad}} {models}", FACE, outs=made),
        Slot(name, "--audio {good}/a.wav --refs {good}/a.png --model {good}/renderer.safetensors --motion-model {bad} "
                   "--out {out}/o.mp4", ("safetensors",), source="generator.safetensors", outs=made),
        Slot(name, "--audio {good}/a.wav --refs {good}/a.png --motion-model {good}/generator.safetensors --model {bad} "
                   "--out {out}/o.mp4", ("safetensors",), source="renderer.safetensors", outs=made),
    ]


def _dubbing() -> list[Slot]:
    name, made = "headsync dub", ("o.mp4",)
    model = "--renderer {good}/renderer.safetensors --out {out}/o.mp4"
    return [
        Slot(name, f"--video {{bad}} --audio {{good}}/a.wav {model}", CLIP, outs=made),
        Slot(name, f"--video {{good}}/a.mp4 --audio {{bad}} {model}", SOUND, outs=made),
        Slot(name, f"--video {{good}}/a.mp4 --audio {{good}}/a.wav --landmarks {{bad}} {model}", ("npz",), outs=made,
             weight=0.5),
        Slot(name, "--video {good}/a.mp4 --audio {good}/a.wav --renderer {bad} --out {out}/o.mp4", ("safetensors",),
             source="renderer.safetensors", outs=made, weight=0.5),
    ]


def _practising() -> list[Slot]:
    name, few = "headsync practice", "--out {out}/people --people 1 --seconds 1"
    return [Slot(name, f"--refs {{bad}} --audio {{good}}/a.wav {few}", FACE, weight=0.2),
            Slot(name, f"--refs {{good}}/a.png --audio {{bad}} {few}", SOUND, weight=0.2)]


def _evaluating() -> list[Slot]:
    tools = "--syncers {good}/syncers.safetensors --identity none --report {out}/report"
    made = ("report/metrics.json", "report/metrics.csv", "report/report.html")
    itself = "--generated {good}/a.npz --reference {good}/a.npz"
    return [
        Slot("headsync sync", "{bad} --weights {good}/syncers.safetensors", CLIP, weight=2),
        Slot("headsync sync", "{bad} {good}/a.mp4 --weights {good}/syncers.safetensors", CLIP, weight=0.5),
        Slot("headsync sync", "{good}/a.mp4 --weights {bad}", ("safetensors",), source="syncers.safetensors", weight=2),
        Slot("headsync evaluate", f"--generated {{bad}} --reference {{good}}/a.npz {tools}", ("npz", "mp4"), outs=made),
        Slot("headsync evaluate", f"--generated {{good}}/a.npz --reference {{bad}} {tools}", ("npz", "mp4"), outs=made),
        Slot("headsync evaluate", f"{itself} --audio {{bad}} {tools}", SOUND, outs=made),
        Slot("headsync evaluate", f"{itself} --syncers {{bad}} --identity none --report {{out}}/report", ("safetensors",),
             source="syncers.safetensors", outs=made),
        Slot("headsync evaluate", "--generated {good}/a.mp4 --reference {good}/a.mp4 --syncers {good}/syncers.safetensors "
                                  "--identity {bad} --report {out}/report", ("safetensors",),
             source="face_encoder.safetensors", outs=made, weight=0.5),
        Slot("headsync evaluate", f"--generated {{bad}} {tools}", ("csv",), source="pairs.csv", outs=made, weight=0.5),
        Slot("headsync evaluate", f"{itself} --published {{out}} {tools}", ("pth",), outs=made, weight=0.3),
    ]


def _preparing() -> list[Slot]:
    name = "headsync preprocess"
    found = [
        Slot(name, "--videos {out}/videos --out {out}/made", CLIP, weight=2),
        Slot(name, "--videos {out}/videos --out {out}/made --manifest {bad}", ("csv",), source="people.csv", weight=0.5),
        Slot(name, "--videos {out}/videos --out {out}/made --sync-correct {bad}", ("safetensors",),
             source="syncers.safetensors"),
    ]
    name, syncers = "headsync correct-sync", "--weights {good}/syncers.safetensors"
    for place in ("landmarks/clip0.npz", "features/clip0.npy", "manifest.csv"):
        found.append(Slot(name, f"--data {{corpus}} {syncers}", (place.rpartition(".")[2],), source=place, corpus="talks"))
    found.append(Slot(name, "--data {corpus} --weights {bad}", ("safetensors",), source="syncers.safetensors", corpus="talks"))
    found.append(Slot(name, "--data {corpus} --config {bad}", ("yaml",), source="correction.yaml", corpus="talks"))
    return found


def _training() -> list[Slot]:
    found = []
    for stage, word, made in (("syncers", "syncers", "loss"), ("landmarks", "landmarks", "generator"),
                              ("head_motion", "head-motion", "head_motion"), ("expression", "expression", "expression"),
                              ("articulation", "articulation", "articulation")):
        name, tiny = f"headsync train {word}", f"--config {{good}}/{stage}.yaml" + SMALL_DISCRIMINATOR * (stage == "landmarks")
        outs = (f"run/{made}.safetensors",)
        for place in ("landmarks/clip0.npz", "features/clip0.npy", "manifest.csv"):
            found.append(Slot(name, f"--data {{corpus}} --out {{out}}/run {tiny}", (place.rpartition(".")[2],), source=place,
                              corpus="talks", outs=outs, weight=0.3))
        found.append(Slot(name, "--data {good}/talks --out {out}/run --config {bad}" + tiny.partition("yaml")[2], ("yaml",),
                          source=f"{stage}.yaml", outs=outs, weight=0.6))
    landmarks = "--data {good}/talks --out {out}/run --config {good}/landmarks.yaml"
    for key, source in (("begin_with", "generator"), ("syncers", "syncers"), ("validation_syncers", "syncers")):
        found.append(Slot("headsync train landmarks", f"{landmarks}{SMALL_DISCRIMINATOR} {key}={{bad}}", ("safetensors",),
                          source=f"{source}.safetensors", outs=("run/generator.safetensors",), weight=0.3))
    for stage, made in (("renderer", "renderer"), ("encoder", "encoder"), ("close_up", "renderer"), ("g4g", "g4g"),
                        ("pc_avs", "pc_avs")):
        name, outs = f"headsync train {stage.replace('_', '-')}", (f"run/{made}.safetensors",)
        for place in ("landmarks/clip0.npz", "mesh/clip0.npy", "manifest.csv", "clips/clip0.mp4"):
            found.append(Slot(name, f"--data {{corpus}} --out {{out}}/run --config {{good}}/{stage}.yaml",
                              (place.rpartition(".")[2],), source=place, corpus="faces", outs=outs, weight=0.3))
        found.append(Slot(name, "--data {corpus} --out {out}/run --config {bad}", ("yaml",), source=f"{stage}.yaml", outs=outs,
                          corpus="faces", weight=0.6))
    found.append(Slot("headsync train renderer", "--data {corpus} --out {out}/run --config {good}/renderer.yaml "
                                                 "begin_with={bad}", ("safetensors",), source="renderer.safetensors",
                      corpus="faces", outs=("run/renderer.safetensors",), weight=0.5))
    return found


def _reading() -> list[Slot]:
    def slot(reader: str, *kinds: str, weight: float, source: str = "", corpus: str = "") -> Slot:
        return Slot(f"{READER}{reader}", "{bad}", kinds, source=source, corpus=corpus, weight=weight)

    found = [
        slot("sound", *SOUND, weight=6), slot("pictures", *FACE, weight=6), slot("video", *CLIP, weight=3),
        slot("sequence", "npz", weight=6), slot("sources", "csv", source="people.csv", weight=0.5),
        slot("pairs", "csv", source="pairs.csv", weight=0.5)]
    found += [slot("corpus", place.rpartition(".")[2], source=place, corpus="talks", weight=0.6)
              for place in ("landmarks/clip0.npz", "features/clip0.npy", "manifest.csv")]
    found += [slot(f"{stage} settings", "yaml", source=f"{stage}.yaml", weight=0.5) for stage in STAGES]
    found += [slot(f"{name} weights", "safetensors", source=f"{name}.safetensors", weight=0.9) for name in MODELS]
    return found


COMMANDS = tuple([*_generation(), *_extraction(), *_rendering(), *_speaking(), *_dubbing(), *_practising(),
                  *_evaluating(), *_preparing(),
                  *_training()])
READINGS = tuple(_reading())
SLOTS = COMMANDS + READINGS


def shares() -> list[float]:
    """How often each slot is drawn: READ_SHARE of the cases go to a reader alone."""
    totals = [sum(slot.weight for slot in slots) for slots in (COMMANDS, READINGS)]
    return ([(1 - READ_SHARE) * slot.weight / totals[0] for slot in COMMANDS]
            + [READ_SHARE * slot.weight / totals[1] for slot in READINGS])
