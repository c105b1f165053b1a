/* vm_fds.h - the descriptors that the kvm tender hands to tfaas-vm, beside the control socket. */
#ifndef TFAAS_HOST_TENDER_KVM_VM_FDS_H
#define TFAAS_HOST_TENDER_KVM_VM_FDS_H

#define VM_KVM_FD       5 /* /dev/kvm */
#define VM_CORE_FILE_FD 6 /* tfaas-core, for reading */
#define VM_SHIM_FILE_FD 7 /* tfaas-shim, for reading */

#endif
