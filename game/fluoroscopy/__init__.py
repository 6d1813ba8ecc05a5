"""A state in, an X-ray picture out.

joseph       line integrals through the patient, by material
projector    area densities per pose, kept for the last few poses
instruments  exact chords of the cannulas
cement       cement voxels laid on the detector, volume kept
spectrum     polychromatic attenuation
detector     scatter, blur, noise of the pulse
display      logarithm, window and level, side markers
render       all of it in order
"""
