"""Grids, sampling, C-arm projection and named views. Frames: patient LPS, mm, unless said."""
