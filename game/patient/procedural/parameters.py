"""The numbers that make the embedded patient, in one frozen value.

[M] and the publications are those of the facts table on sacral anatomy; the female rows are used.
`form` marks what has no published number: read off real pelvic surfaces by eye or by a
least-squares fit, rounded, and not validated one by one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

Row = tuple[float, ...]
Table = tuple[Row, ...]


@dataclass(frozen=True)
class Parameters:
    """A prone osteoporotic adult woman. mm and degrees. In the bent frame of the sacrum, x is to
    the left, p the distance behind the posterior wall of the vertebral bodies, s the length along
    that wall from the S1 endplate's posterior corner."""

    # whole: scale, breadth and sides (a few per cent of seed variation; 1 = the table's means)
    size: float = 1.0
    breadth: float = 1.0
    left_breadth: float = 1.0  # breadth of the left half relative to the right half
    sacral_slope: float = 40.0  # base angle 41.8+-6.1 (Manipal), slope 24-55 (Mac-Thiong 2011)

    # the sacral axis: direction of s against straight down, towards posterior, relative to slope
    axis_s: Row = (0.0, 45.0, 60.0, 75.0, 90.0, 105.0, 120.0, 140.0)  # form
    axis_angle: Row = (6.0, 5.0, -2.0, -20.0, -42.0, -62.0, -78.0, -88.0)  # form
    end_s: float = 105.0  # end of S5: straight length 92.8+-7.6 (PMID 30487484)

    # vertebral bodies: depth 29.6+-1.8 at the endplate, 26.8+-2.6 and 22.7+-1.4 at 8 and 15 mm
    # below it [M]; half breadth 23.5 (S1 about 47, unverified), the rest form
    s1_depth: float = 29.6
    body_s: Row = (-8.0, 0.0, 8.0, 15.0, 24.0, 36.0, 50.0, 64.0, 78.0, 92.0, 103.0)
    body_depth: Row = (31.0, 29.6, 25.6, 20.5, 18.0, 17.0, 14.5, 12.5, 10.5, 8.5, 6.5)
    body_half: Row = (24.5, 23.5, 22.0, 20.0, 18.0, 16.5, 15.0, 14.0, 13.0, 11.5, 9.0)
    fused_discs: Row = (24.0, 49.0, 70.0, 87.5)  # transverse lines: pitch of the foramina

    # lateral masses: half breadth 120.7/2 [M] at the alae, auricular part down to si_end, then
    # tapering to the inferior lateral angle (form)
    lateral_s: Row = (-8.0, 0.0, 6.0, 12.0, 20.0, 28.0, 36.0, 48.0, 56.0, 64.0, 72.0, 80.0, 90.0,
                      97.0, 103.0)  # fmt: skip
    lateral_half: Row = (50.0, 58.5, 60.3, 60.0, 57.5, 54.0, 51.5, 49.5, 48.0, 45.5, 42.0, 38.0,
                         33.0, 26.0, 15.0)  # fmt: skip
    ventral_s: Row = (-8.0, 8.0, 16.0, 24.0, 32.0, 40.0, 48.0, 56.0, 64.0, 72.0, 80.0, 92.0, 103.0)
    ventral_medial: Row = (-26.0, -26.0, -24.0, -20.0, -16.0, -15.0, -14.0, -12.0, -11.0, -10.0,
                           -9.0, -7.0, -5.0)  # p at |x| = 20, form  # fmt: skip
    ventral_lateral: Row = (-26.0, -28.0, -33.0, -36.0, -36.0, -32.0, -26.0, -22.0, -18.0, -14.0,
                            -11.0, -8.0, -6.0)  # p at |x| = 48, form  # fmt: skip
    dorsal_x: Row = (0.0, 20.0, 30.0, 38.0, 48.0, 58.0)
    dorsal_s: Row = (-8.0, 4.0, 14.0, 22.0, 34.0, 48.0, 64.0, 80.0, 103.0)
    dorsal: Table = (  # p at dorsal_x (rows) and dorsal_s, form
        (8.0, 10.0, 11.0, 11.0, 11.0, 10.0, 9.0, 7.0, 4.0),
        (9.0, 11.0, 11.0, 10.5, 11.0, 10.0, 9.0, 6.0, 4.0),
        (8.0, 9.5, 9.5, 9.0, 9.0, 8.5, 7.5, 5.0, 3.0),
        (5.0, 8.5, 8.0, 6.0, 5.5, 5.5, 5.5, 2.0, 0.0),
        (2.0, 7.0, 4.0, -3.0, -4.0, -1.0, -1.0, -3.0, -3.0),
        (-3.0, -3.0, -6.0, -11.0, -11.0, -8.0, -8.0, -8.0, -8.0),
    )
    # top of the ala: AP 21.6+-4.7 and 31.3+-4.9 at x = 35 mm, 8 and 15 mm below the endplate [M]
    ala_top: float = -2.5
    ala_shoulder: float = -5.0  # p before which the ala's top slopes down to the linea terminalis
    ala_fall: float = 0.75

    # dorsal roof and crest, canal (30 x 15 at S1, unverified), hiatus from S4 (apex AP 5.6+-1.5)
    roof_s: Row = (8.0, 30.0, 50.0, 66.0, 84.0)
    roof_p: Row = (17.0, 16.5, 15.0, 13.0, 10.0)
    canal_s: Row = (-20.0, 4.0, 24.0, 45.0, 65.0, 85.0, 110.0)
    canal_half: Row = (15.0, 14.5, 12.5, 10.5, 8.0, 6.0, 4.5)
    canal_depth: Row = (15.0, 14.5, 11.5, 10.0, 8.0, 6.0, 5.0)
    hiatus_s: Row = (87.0, 90.0, 94.0, 99.0, 107.0)
    hiatus_half: Row = (0.3, 3.0, 4.8, 6.0, 7.5)
    spinous: Table = ((17.0, 20.0), (42.0, 19.0), (62.0, 16.0))  # (s, p) of S1-S3 tubercles, form

    # foramina S1-S4: right-left distances 46.4, 41.9, 37.9, 36.5 and pitch 25.8, 20.9, 17.4 [M];
    # ventral calibre 12.97 x 12.23, 12.85 x 13.13, dorsal 10.36 x 7.66, 7.05 x 7.30 (Saluja
    # 2018), S3 and S4 form
    foramen_x: Row = (23.2, 20.95, 18.95, 18.25)
    foramen_s: Row = (27.0, 52.6, 74.0, 92.2)
    foramen_ventral: Row = (6.3, 6.5, 5.4, 4.6)
    foramen_dorsal: Row = (4.5, 3.6, 3.4, 3.1)
    foramen_dorsal_x: Row = (22.9, 22.0, 22.0, 21.0)  # 22.9+-2.6 (Kim 2023), 23.0+-2.0 at S3
    foramen_shift: tuple[Row, Row] = (
        (0.0,) * 4,
        (0.0,) * 4,
    )  # seed variation along s, left and right

    # sacroiliac joint: gap 2-4 mm (unverified), auricular height 56.2+-4.6 (PMC5799488)
    si_gap: float = 3.0
    si_end: float = 60.0

    # hip bones, moved as a whole so that PSIS (-21.5, 66.0) and PIIS (-50.8, 48.1) fit [M]
    hip_shift: Row = (0.0, 4.0, -5.0)


def parameters_for(seed: int) -> Parameters:
    """The parameters of one individual: seed 0's sides differ by a few per cent as well."""
    random = np.random.default_rng([seed, 0x5AC])
    small = random.uniform(-1.0, 1.0, 12)
    low, high = (tuple(float(v) for v in 0.7 * part) for part in (small[4:8], small[8:12]))
    return replace(
        Parameters(),
        size=1.0 + (0.02 * float(small[0]) if seed else 0.0),
        breadth=1.0 + (0.015 * float(small[1]) if seed else 0.0),
        left_breadth=1.0 + 0.012 * float(np.sign(small[2])) + 0.008 * float(small[2]),
        sacral_slope=40.0 + (2.0 * float(small[3]) if seed else 0.0),
        foramen_shift=(low, high),
    )
