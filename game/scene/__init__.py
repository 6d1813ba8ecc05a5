"""The room: the only code that draws with Panda3D. Views read State and never write it.

room         the window and its loop: frames, compute thread, what is shown where
sitting      a person's case tick by tick, without Panda3D; the status line
desk         what keys and mouse mean
switches     the monitor's own: invert, turn, window and level, edges
gamepad      a gamepad's triggers, stick and motors
layout       where everything is on the screen
camera       the onlooker, and rays through their picture
pick         where a line meets the skin
pacing       seconds to ticks
compute      the one compute thread: pictures and cement
guide        what comes next
words        State in words
readings     a sitting in lines, bars and lamps
hud          the flat part of the screen
monitors     the live picture and the reference
gantry       the C-arm
body         skin, drapes, table, walls, bones
instruments  cannulas and syringe
pen          crosses on the skin
shapes       meshes
placement    matrices
"""
