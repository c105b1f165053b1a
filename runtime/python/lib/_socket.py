# What the modules socket and asyncio need to be imported. A function has no network: every use says so.
AF_UNSPEC, AF_INET, AF_INET6, AF_UNIX = 0, 2, 10, 1
SOCK_STREAM, SOCK_DGRAM, SOCK_RAW = 1, 2, 3
SOL_SOCKET, SO_REUSEADDR, SO_KEEPALIVE, SO_BROADCAST, SO_ERROR, SO_TYPE = 1, 2, 9, 6, 4, 3
SOMAXCONN = 4096
IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_IPV6, TCP_NODELAY, IPV6_V6ONLY = 0, 6, 17, 41, 1, 26
SHUT_RD, SHUT_WR, SHUT_RDWR = 0, 1, 2
AI_PASSIVE, AI_CANONNAME, AI_NUMERICHOST, AI_ADDRCONFIG = 1, 2, 4, 32
EAI_NONAME, EAI_FAMILY = -2, -6
NI_NUMERICHOST, NI_NUMERICSERV = 1, 2
MSG_PEEK = 2
has_ipv6 = False

error = OSError
timeout = TimeoutError
_default_timeout = None


class herror(OSError):
    pass


class gaierror(OSError):
    pass


def _refuse(*arguments, **names):
    raise OSError(58, 'a function has no network')


class socket:
    __slots__ = ()

    def __init__(self, family=-1, type=-1, proto=-1, fileno=None):
        _refuse()


SocketType = socket


def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
    raise gaierror(EAI_NONAME, 'a function has no network')


def getdefaulttimeout():
    return _default_timeout


def setdefaulttimeout(value):
    global _default_timeout
    _default_timeout = value


def gethostname():
    return 'localhost'


def htons(value):
    return (value & 0xff) << 8 | value >> 8 & 0xff


def htonl(value):
    return int.from_bytes(value.to_bytes(4, 'little'), 'big')


ntohs, ntohl = htons, htonl


def inet_aton(text):
    parts = text.split('.')
    if len(parts) != 4 or not all(p.isascii() and p.isdigit() and int(p) < 256 for p in parts):
        raise OSError('illegal IP address string passed to inet_aton')
    return bytes(int(p) for p in parts)


def inet_ntoa(packed):
    if len(packed) != 4:
        raise OSError('packed IP wrong length')
    return '.'.join(map(str, packed))


close = dup = gethostbyname = gethostbyname_ex = gethostbyaddr = getnameinfo = getservbyname = _refuse
getservbyport = getprotobyname = socketpair = _refuse
