"""The numbers that make one sacrum, in one frozen value, and how a person's measures set them.

The mean form (`form.py`) is stretched along and across, and its front moved, so that lengths,
levels and depths are the person's. `form` marks what has no published number: read off real
surfaces or published drawings by eye, and not validated one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

from game.patient.procedural import form
from game.patient.procedural.form import Row, Table

Pair = tuple[float, float]  # left, right
LEVELS: Row = (28.0, 56.0, 77.0, 94.0)  # s of the foramina S1-S4 in the mean form
END = 103.0  # s of the end of S5 in the mean form


@dataclass(frozen=True)
class Parameters:
    """One sacrum. mm and degrees. In its bent frame x is to the left, p the distance behind the
    posterior wall of the vertebral bodies, s the length along that wall from the S1 endplate's
    posterior corner. The defaults are the mean form's."""

    sacral_slope: float = 40.0  # base angle 41.8+-6.1 F (Manipal), slope 24-55 (Mac-Thiong 2011)

    # the sacral axis: direction of s against straight down, towards posterior, relative to slope
    axis_s: Row = (-60.0, 40.0, 60.0, 75.0, 90.0, 105.0, 120.0, 140.0)
    axis_angle: Row = (6.0, 6.0, 1.0, -14.0, -32.0, -50.0, -66.0, -78.0)  # form
    end_s: float = END  # end of S5

    # surfaces (form.py): heights over knots
    front_x: Row = form.ACROSS
    front_s: Row = form.ALONG
    front: Table = form.FRONT
    dorsal_x: Row = form.ACROSS
    dorsal_s: Row = form.ALONG
    dorsal: Table = form.BACK
    top_x: Row = form.ACROSS
    top_p: Row = form.TOP_P
    top: Table = form.TOP
    side_p: Row = form.SIDE_P
    side_s: Row = form.ALONG
    side: Table = form.SIDE
    stretch: Pair = (1.0, 1.0)  # breadth of each half against the tables
    s1_depth: float = 29.6

    # canal: 30 x 15 at S1 (unverified), lower down read off the mean of the 16 sacra (form);
    # hiatus from its apex (AP 5.6+-1.5, 22.7+-11.8 long) to the end
    canal_s: Row = (-20.0, 4.0, 25.0, 45.0, 66.0, 85.0, 110.0)
    canal_half: Row = (16.0, 15.5, 13.5, 11.0, 8.5, 6.0, 4.5)
    canal_depth: Row = (15.0, 13.5, 10.0, 8.0, 6.5, 5.6, 5.0)
    hiatus_apex: float = 81.0
    hiatus_half: float = 6.5  # half breadth at the end of S5 (form)

    # foramina S1-S4, left and right: middle of the tunnel, its narrowest radius, both openings:
    # 12.97 x 12.23, 12.85 x 13.13 in front, 10.36 x 7.66, 7.05 x 7.30 behind (Saluja 2018), S3
    # and S4 form
    foramen_x: tuple[Row, Row] = ((23.2, 20.95, 18.95, 18.25),) * 2
    foramen_s: tuple[Row, Row] = (LEVELS,) * 2
    foramen_radius: Row = (3.6, 4.0, 3.6, 2.9)
    foramen_ventral: Row = (6.3, 6.5, 5.4, 4.6)
    foramen_dorsal: Row = (4.5, 3.6, 3.4, 3.1)
    foramen_dorsal_x: tuple[Row, Row] = ((22.9, 22.0, 22.0, 21.0),) * 2
    foramen_dorsal_s: tuple[Row, Row] = ((29.0, 55.5, 77.0, 95.0),) * 2
    fused_discs: Row = (23.5, 55.0, 76.0, 93.0)  # transverse lines, S1/S2 to S4/S5 (form)
    s1_height_behind: float = 21.5  # s of S1's lower end on the canal's front wall
    ridge: Row = (2.6, 1.2, 1.0, 0.7)  # mm that they stand out (form)

    # dysmorphism (Traits): how steep the alae are, knobs on them, a cleft, or a fused fifth process
    mammillary: bool = False
    sacralised: bool = False
    limits: tuple[str, ...] = ()  # measures that this sacrum could not take, and why
