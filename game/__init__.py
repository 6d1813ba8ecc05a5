"""Sacrosim: a training simulator for percutaneous sacroplasty.

Data flows one way; a package imports only those below it (import-linter holds it).

    cli          the composition root: opens devices, windows and files
    scene        the only Panda3D code: room, C-arm, monitors, HUD, input
    station      the instructor's web pages
    training     levels, hands, the expert who performs a case
    records      sessions on disk, replay, the report
    scoring      a trace and a rubric in, a scorecard out
    fluoroscopy  a state in, an X-ray picture out
    simulation   case, state, control and `step`; cement; exposure
    devices      C-arm, X-ray tube, cannula, injector: what each is and what a control does to it
    patient      a pelvis: density, structures, distances, landmarks, fractures, hazards
    geometry     grids, rigid transforms, C-arm projection, named views

Beside `game` stands `haptics`, which knows nothing of it: a servo tick turns a hand's pose
into a cannula's pose and a force.
"""

__version__ = "0.1.0"
