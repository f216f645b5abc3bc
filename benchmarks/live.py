"""A live session against the clock: latency, pictures left out, CPU share, memory. The table of docs/live.md.

    python -m benchmarks.live --refs examples/astronaut.jpg --audio examples/speech.flac --seconds 600

Sound is pushed in pieces of 20 ms when they are due, as a microphone does, over and over; frames are taken by the session's own
clock. The latency of a frame is the time from when the last of its own sound was pushed to when its picture is there.
"""

import argparse
import resource
import threading
import time

import numpy as np
import torch

from headsync import media
from headsync.live import FrameClock, open_session

PIECE = 320     # samples


def pushing(session, wave: np.ndarray, seconds: float, pushed: list[float]) -> None:
    """Pushes a voice for so long; `pushed` gets the moment of every frame's last sample."""
    begin, total, sent = time.monotonic(), int(seconds * media.SAMPLE_RATE_HZ), 0
    while sent < total:
        left = begin + (sent + PIECE) / media.SAMPLE_RATE_HZ - time.monotonic()
        if left > 0:
            time.sleep(left)
        at = sent % (len(wave) - PIECE)
        session.push(wave[at : at + PIECE])
        sent += PIECE
        if sent % media.SAMPLES_PER_FRAME == 0:
            pushed.append(time.monotonic())
    session.flush()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--refs", default="examples/astronaut.jpg")
    parser.add_argument("--audio", default="examples/speech.flac")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--lips", default="live")
    options = parser.parse_args()
    wave = media.read_audio(options.audio) + np.float32(1e-5)      # so that no frame of it is all zeros
    session = open_session(options.refs, lips=options.lips, level=media.measure_level(wave))
    for _ in range(10):
        session.next_frame()        # compiles and warms
    session.queue.clear()
    pushed: list[float] = []
    thread = threading.Thread(target=pushing, args=(session, wave, options.seconds, pushed), daemon=True)
    cpu, memory, begin = time.process_time(), [], time.monotonic()
    thread.start()
    latencies, drawing, spoken, dropped = [], [], 0, session.dropped
    clock = FrameClock()
    while time.monotonic() - begin < options.seconds:
        late = clock.wait(len(drawing))
        started = time.monotonic()
        frame = session.next_frame(draw=late * media.FPS <= 1)
        done = time.monotonic()
        drawing.append(done - started)
        if frame.sound.any():
            if spoken < len(pushed) and frame.picture is not None:
                latencies.append(done - pushed[spoken])
            spoken += 1
        if len(drawing) % 250 == 0:
            memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    spent, wall = time.process_time() - cpu, time.monotonic() - begin
    print(f"{wall:.0f} s, {len(drawing)} frames, {session.dropped - dropped} without a picture; "
          f"{torch.get_num_threads()} threads; look-ahead {session.look_ahead_frames} frames")
    for name, values in (("latency", latencies[25:]), ("computing a frame", drawing)):
        low, middle, high = np.percentile(values, [5, 50, 95]) * 1000
        print(f"{name}: median {middle:.0f} ms, 5 % {low:.0f} ms, 95 % {high:.0f} ms")
    tenth = max(len(latencies) // 10, 1)
    print(f"latency in the first tenth {1000 * np.median(latencies[25 : 25 + tenth]):.0f} ms, in the last "
          f"{1000 * np.median(latencies[-tenth:]):.0f} ms; CPU {spent / wall:.2f} cores; memory "
          f"{memory[0] if memory else 0:.0f} MB after 10 s, {memory[-1] if memory else 0:.0f} MB at the end")


if __name__ == "__main__":
    main()
