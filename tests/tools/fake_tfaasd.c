/*
 * fake_tfaasd.c - tfaasd over the fake core (fake_core.h): for tests and measurements of the daemon
 * alone. It is no wall and must never be installed.
 */
#include "../../host/daemon/daemon.h"
#include "fake_core.h"

int main(int argc, char **argv)
{
    static const struct tender_ops *const tenders[] = {&tender_fake, NULL};
    return daemon_main(argc, argv, tenders);
}
