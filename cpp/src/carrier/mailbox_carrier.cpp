#include "carrier/mailbox_carrier.h"

namespace tr::carrier {

void MailboxCarrier::publish(const std::string& request) {
    if (mailbox_->send(request)) return;
    files_->publish(request);
    mailbox_->send({});
}

std::optional<std::string> MailboxCarrier::take() {
    if (!by_file_) {
        auto message = mailbox_->receive();
        if (!message || !message->empty()) return message;
        by_file_ = true;
    }
    auto message = files_->take();  // announced once, and looked at again when it could not be read
    if (!message) by_file_ = false;
    return message;
}

void MailboxCarrier::acknowledge() {
    if (by_file_) files_->acknowledge();
    by_file_ = false;
    mailbox_->acknowledge();
}

}  // namespace tr::carrier
