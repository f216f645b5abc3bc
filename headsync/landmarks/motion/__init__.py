"""Motion of a face: composed, scaled, blinked, its lips closed; and figures of it."""

from headsync.landmarks.motion.blinks import lid_closures, natural_blinks
from headsync.landmarks.motion.compose import anchored, compose_motion, head_track, looped, reposed, still_head
from headsync.landmarks.motion.control import MotionStatistics, check_scales, face_shape_error, motion_statistics, scale_motion
from headsync.landmarks.motion.room import kept_inside, stream_inside

__all__ = [
    "lid_closures", "natural_blinks", "anchored", "compose_motion", "head_track", "looped", "reposed", "still_head",
    "MotionStatistics", "check_scales", "face_shape_error", "motion_statistics", "scale_motion",
    "kept_inside", "stream_inside",
]
