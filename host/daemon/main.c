/*
 * main.c - tfaasd with the tender it is built for. Everything else is daemon.c, so that tests can
 * run the same daemon over a fake core.
 */
#include "daemon.h"

int main(int argc, char **argv)
{
    return daemon_main(argc, argv, &tender_process);
}
