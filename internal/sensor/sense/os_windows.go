package sense

import "github.com/yagura-edr/yagura/internal/event"

// OS is the system that this sensor is built for, as its events and its server call it.
const OS = event.Windows
