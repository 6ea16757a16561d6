/** The longest frame, either way; LODGE_FRAME_MAX of native/lodge-virt.h. */
export const frameMax = 64 * 2 ** 20

/** `kind` bytes of frames (enum lodge_frame). */
export const frameKinds = { request: 1, hello: 2, ready: 3, result: 4, error: 5, event: 6 } as const

/** Stands for null where a string has its length. */
export const nullLength = 0xffffffff
