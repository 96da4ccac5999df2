/** KVM_EXIT_*: why KVM_RUN came back, for kvm_userspace_exit (include/uapi/linux/kvm.h). */
export const KVM_EXIT_UNKNOWN = 0;
export const KVM_EXIT_IO = 2;
export const KVM_EXIT_DEBUG = 4;
export const KVM_EXIT_HLT = 5;
export const KVM_EXIT_MMIO = 6;
export const KVM_EXIT_IRQ_WINDOW_OPEN = 7;
export const KVM_EXIT_SHUTDOWN = 8;
export const KVM_EXIT_SET_TPR = 11;
export const KVM_EXIT_INTERNAL_ERROR = 17;

/** In VCPU_EXIT_REASON while nothing has left the guest. No exit has this number. */
export const NO_EXIT = -2;
