"""What a hand feels, and what a cannula does about it. Imports nothing of `game`.

    device      what a haptic device is, and the limits of those that exist
    tissue      the force law, layer by layer, and the fields it is read from
    law         its parameters, with what differs among people
    memory      what a cannula remembers between two ticks
    insertion   the cannula as a proxy that only advances by overcoming resistance
    redirect    turning it in soft tissue, and old tracks
    resume      a cannula taken up where it lies
    servo       one pure 1 kHz tick, and batches of it
    virtual     hands without a device: scripted, and the mouse's; what to hear and to shake
    safety      what a device may be told to do with a force
    coupling    a device's hand and the cannula: the tick with a device
    phantom     3D Systems devices; callback and hdapi are its C function and its C library
    doctor      whether a device can be used here, or what is missing
    recorder    the last 60 s of every tick, for after a fault

Frames: patient LPS, mm. Units: mm, N, s. Forces are unscaled unless a name says otherwise.
"""
