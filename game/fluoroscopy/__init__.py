"""A state in, an X-ray picture out.

joseph       line integrals through the patient, by material
areas        grams per cm2 of every material, per pixel
projector    them per pose, kept for the last few poses
instruments  exact chords of the cannulas
hand         the operator's hand, where it is on a cannula
cement       cement voxels laid on the detector, volume kept; only what is new
spectrum     polychromatic attenuation
field        heel, inverse square, collimation
scatter      scattered radiation by thickness, field, gap, kV and grid
detector     grid, blur, noise of the pulse
rows         the rows of a picture, shared out over the cores
blur         the Gaussians of detector and display
display      logarithm, window and level, orientation, side markers
render       all of it in order
evidence     by what a picture shows that its view is true
dicom        a picture as a DICOM file
"""
