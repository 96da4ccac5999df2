/** The errno names that KVM's ioctls answer with here; values as in Linux (include/uapi/asm-generic/errno-base.h). */
export const ERRNO = {
  ENOENT: 2,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EAGAIN: 11,
  ENOMEM: 12,
  EFAULT: 14,
  EEXIST: 17,
  EINVAL: 22,
  EOPNOTSUPP: 95,
} as const;

export type Errno = keyof typeof ERRNO;
