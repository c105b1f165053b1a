/*
 * main.c - tfaasd with the tenders it is built for. Everything else is daemon.c, so that tests can
 * run the same daemon over a fake core.
 */
#include "daemon.h"

int main(int argc, char **argv)
{
    static const struct tender_ops *const tenders[] = {&tender_process, &tender_kvm, NULL};
    return daemon_main(argc, argv, tenders);
}
